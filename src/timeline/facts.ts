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
  const kept = Object.entries(facts)
    .filter(([, value]) => isFact(value))
    .slice(0, maxFacts)
    .map(([name, value]) => [
      printable(name, maxName),
      typeof value === 'string' ? printable(value, maxText) : value,
    ])
  return Object.freeze(Object.fromEntries(kept))
}

/** Whether both say the same; the order of names does not matter, nor what `aside` holds. */
export function sameFacts(a: Facts, b: Facts, aside?: string): boolean {
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && (name === aside || a[name] === b[name]))
  )
}

function isFact(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

function printable(text: string, limit: number): string {
  // Cut twice: a hostile text is not scanned whole, and a pair of surrogates is not torn apart.
  const clean = text.slice(0, limit * 4).replace(unprintable, '')
  return clean.slice(0, limit).replace(/[\ud800-\udbff]$/, '')
}
