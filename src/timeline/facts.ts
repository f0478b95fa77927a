import type { Facts } from './stage.ts'

const maxFacts = 32
const maxName = 64
const maxText = 200

/** Control characters, line separators, and the marks that turn a terminal's text around. */
const unprintable = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/**
 * Facts as they may be kept and shown: text from the network without control characters and at most 200 characters,
 * numbers that JSON can hold, and nothing else.
 */
export function cleaned(facts: Facts): Facts {
  const kept: Record<string, Facts[string]> = {}
  let count = 0
  for (const name in facts) {
    const value = facts[name]
    if (!Object.hasOwn(facts, name) || !isFact(value)) continue
    if (++count > maxFacts) break
    // Not an assignment, which `__proto__` would take for something else.
    Object.defineProperty(kept, printable(name, maxName), {
      value: typeof value === 'string' ? printable(value, maxText) : value,
      enumerable: true,
    })
  }
  return Object.freeze(kept)
}

/** Whether both say the same; the order of names does not matter, nor what `aside` holds. */
export function sameFacts(a: Facts, b: Facts, aside?: string): boolean {
  if (a === b) return true
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && (name === aside || a[name] === b[name]))
  )
}

function isFact(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

/** Most of what machines say: nothing in it has to go. */
const plain = /^[ -~]*$/

function printable(text: string, limit: number): string {
  if (text.length <= limit && plain.test(text)) return text
  // Cut twice: a hostile text is not scanned whole, and a pair of surrogates is not torn apart.
  const clean = text.slice(0, limit * 4).replace(unprintable, '')
  return clean.slice(0, limit).replace(/[\ud800-\udbff]$/, '')
}
