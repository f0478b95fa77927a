import { TemplateError } from './limits.ts'
import { compareVersions, parseVersion } from './semver.ts'
import type { Version } from './semver.ts'

/** One bound: `parts` says how many of major, minor and patch it names (`1.2.x` names 2). */
type Bound = { operator: string; version: Version; parts: number }

const version =
  'v?[0-9xX*]+(?:\\.[0-9xX*]+)?(?:\\.[0-9xX*]+)?(?:-[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?'
const operator = '=>|=<|>=|<=|~>|!=|=|>|<|~|\\^|'
const range = new RegExp(`(${version})\\s+-\\s+(${version})`, 'g')
const bound = new RegExp(`\\s*,?\\s*(${operator})\\s*(${version})(?=$|[\\s,])`, 'y')
const dotted = /^v?([^.+-]+)(?:\.([^.+-]+))?(?:\.([^.+-]+))?(-[^+]*)?/
const maxLength = 1024

/**
 * A constraint as `>= 1.2, < 2 || 3.x`, `1.2 - 1.4`, `~1.2`, `^1.2.3`: alternatives, of which each is a list of bounds.
 * @throws TemplateError
 */
export function parseConstraint(text: string): Bound[][] {
  if (text.length > maxLength) throw new TemplateError(`constraint longer than ${maxLength} characters`)
  return text.replace(range, '>= $1, <= $2').split('||').map(boundsOf)
}

function boundsOf(text: string): Bound[] {
  const source = text.trimEnd()
  const bounds: Bound[] = []
  for (let at = 0; at < source.length || bounds.length === 0;) {
    bound.lastIndex = at
    const match = bound.exec(source)
    if (!match) throw new TemplateError(`improper constraint: ${text}`)
    bounds.push(boundOf(match[1] ?? '', match[2] ?? ''))
    at = bound.lastIndex
  }
  return bounds
}

function boundOf(operatorText: string, text: string): Bound {
  const [, ...found] = dotted.exec(text) ?? []
  const numbers = found.slice(0, 3)
  const open = numbers.findIndex((part) => part === undefined || /^[xX*]$/.test(part))
  const parts = open < 0 ? 3 : open
  const filled = numbers.map((part, i) => (i < parts ? part : '0')).join('.')
  return { operator: operatorText, version: parseVersion(filled + (found[3] ?? '')), parts }
}

/** Whether `version` is within all bounds of one of the alternatives. */
export function meets(tested: Version, alternatives: readonly Bound[][]): boolean {
  return alternatives.some((bounds) => bounds.every((one) => isWithin(tested, one)))
}

/** A pre-release meets only bounds that name a pre-release themselves. */
function isWithin(tested: Version, one: Bound): boolean {
  const { operator: sign, version: named } = one
  // A bare `*` says 0.0.0 to all but `=` and `~`, for which it says anything.
  const parts = one.parts === 0 ? 3 : one.parts
  const exact = sign === '!=' && parts === 3
  if (tested.pre !== '' && named.pre === '' && !exact) return false
  const order = compareVersions(tested, named)
  switch (sign) {
    case '':
    case '=':
      return one.parts < 3 ? isNear(tested, one) : order === 0
    case '!=':
      return parts < 3 ? !isSame(tested, named, parts) : order !== 0
    case '>':
      return parts === 3 ? order > 0 : comparePlaces(tested, named, parts) > 0
    case '<':
      return order < 0
    case '>=':
    case '=>':
      return order >= 0
    case '<=':
    case '=<':
      return one.parts === 3 ? order <= 0 : comparePlaces(tested, named, one.parts || 2) <= 0
    case '^':
      return order >= 0 && isCompatible(tested, one)
    default:
      return isNear(tested, one)
  }
}

const places = ['major', 'minor', 'patch'] as const

function comparePlaces(a: Version, b: Version, parts: number): number {
  const place = places.slice(0, parts).find((key) => a[key] !== b[key])
  return place === undefined ? 0 : a[place] < b[place] ? -1 : 1
}

const isSame = (a: Version, b: Version, parts: number) => comparePlaces(a, b, parts) === 0

/** `~`: not below, and of the same minor version, or the same major version where no minor one is named. */
function isNear(tested: Version, { version: named, parts }: Bound): boolean {
  if (compareVersions(tested, named) < 0) return false
  const isAnything = named.major === 0n && named.minor === 0n && named.patch === 0n && parts % 3 === 0
  return isAnything || isSame(tested, named, parts === 1 ? 1 : 2)
}

/** `^`: the first number that is not 0 stays. */
function isCompatible(tested: Version, { version: named, parts }: Bound): boolean {
  if (named.major > 0n || parts === 1) return tested.major === named.major
  if (tested.major > 0n) return false
  if (named.minor > 0n || parts === 2) return tested.minor === named.minor
  return tested.minor === named.minor && tested.patch === named.patch
}
