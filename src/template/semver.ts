import { TemplateError } from './limits.ts'

/** A semantic version (semver.org 2.0); minor and patch may be left out and are 0 then. */
export type Version = {
  major: bigint
  minor: bigint
  patch: bigint
  /** without `-` */
  pre: string
  /** without `+`; has no part in comparisons */
  metadata: string
  original: string
}

const pattern =
  /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/
const maxUint64 = 2n ** 64n - 1n
const maxLength = 256

/** @throws TemplateError */
export function parseVersion(text: string): Version {
  const match = text.length > maxLength ? null : pattern.exec(text)
  if (!match) throw new TemplateError(`Invalid Semantic Version ${JSON.stringify(text.slice(0, 40))}`)
  const [, major = '0', minor = '0', patch = '0', pre = '', metadata = ''] = match
  const numbers = [major, minor, patch].map(BigInt)
  if (numbers.some((number) => number > maxUint64))
    throw new TemplateError(`version ${text} has a number beyond 64 bits`)
  if (pre.split('.').some((part) => /^0\d+$/.test(part)))
    throw new TemplateError(`Version segment starts with 0 in ${text}`)
  const [a = 0n, b = 0n, c = 0n] = numbers
  return { major: a, minor: b, patch: c, pre, metadata, original: text }
}

/** @returns -1, 0 or 1 */
export function compareVersions(a: Version, b: Version): number {
  for (const key of ['major', 'minor', 'patch'] as const)
    if (a[key] !== b[key]) return a[key] < b[key] ? -1 : 1
  return comparePre(a.pre, b.pre)
}

/** A version comes after its pre-releases; their parts are compared as numbers where both are numbers. */
function comparePre(a: string, b: string): number {
  if (a === b) return 0
  if (a === '' || b === '') return a === '' ? 1 : -1
  const left = a.split('.')
  const right = b.split('.')
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = comparePart(left[i], right[i])
    if (order !== 0) return order
  }
  return 0
}

function comparePart(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1
  const isNumber = [a, b].map((part) => /^\d+$/.test(part))
  if (isNumber[0] && isNumber[1]) return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0
  if (isNumber[0] !== isNumber[1]) return isNumber[0] ? -1 : 1
  return a < b ? -1 : 1
}
