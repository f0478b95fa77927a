import { fn } from './func.ts'
import type { FuncTable } from './func.ts'
import { TemplateError } from './limits.ts'
import { compareVersions, parseVersion } from './semver.ts'
import type { Version } from './semver.ts'
import { meets, parseConstraint } from './semver-constraint.ts'
import { GoStruct } from './value.ts'
import type { Method, Value } from './value.ts'

/** Sprig's functions on semantic versions. */
export const semverFunctions: FuncTable = {
  semver: fn(['string'], (text) => versionValue(text)),
  semverCompare: fn(['string', 'string'], (constraint, text, spend) => {
    spend(Math.ceil(constraint.length / 16))
    const alternatives = parseConstraint(constraint)
    return meets(parseVersion(text), alternatives)
  }),
}

const goType = '*semver.Version'
const versions = new WeakMap<GoStruct, Version>()

/** A version as Go's `*semver.Version`: prints as its text, and has its methods. */
function versionValue(text: string): GoStruct {
  return made(parseVersion(text))
}

function made(version: Version): GoStruct {
  const methods = new Map<string, Method>()
  const { major, minor, patch, pre, metadata } = version
  const plain = (name: string, value: () => Value) => methods.set(name, { params: 0, call: value })
  const text = versionText(version)
  plain('Major', () => major)
  plain('Minor', () => minor)
  plain('Patch', () => patch)
  plain('Prerelease', () => pre)
  plain('Metadata', () => metadata)
  plain('Original', () => version.original)
  plain('String', () => text)
  const next = (value: Omit<Version, 'pre' | 'metadata' | 'original'>) => {
    const bumped = { ...value, pre: '', metadata: '', original: '' }
    const lead = version.original.startsWith('v') ? 'v' : ''
    return made({ ...bumped, original: lead + versionText(bumped) })
  }
  plain('IncMajor', () => next({ major: major + 1n, minor: 0n, patch: 0n }))
  plain('IncMinor', () => next({ major, minor: minor + 1n, patch: 0n }))
  plain('IncPatch', () => next({ major, minor, patch: pre === '' ? patch + 1n : patch }))
  const compared = (name: string, value: (order: number) => Value) =>
    methods.set(name, { params: 1, call: (other) => value(compareVersions(version, versionOf(other))) })
  compared('Compare', (order) => BigInt(order))
  compared('Equal', (order) => order === 0)
  compared('LessThan', (order) => order < 0)
  compared('GreaterThan', (order) => order > 0)
  const value = new GoStruct(goType, new Map(), { methods, text })
  versions.set(value, version)
  return value
}

function versionOf(value: Value | undefined): Version {
  const version = value instanceof GoStruct ? versions.get(value) : undefined
  if (!version) throw new TemplateError(`wrong type for value; expected ${goType}`)
  return version
}

function versionText({ major, minor, patch, pre, metadata }: Omit<Version, 'original'>): string {
  return `${major}.${minor}.${patch}${pre === '' ? '' : `-${pre}`}${metadata === '' ? '' : `+${metadata}`}`
}
