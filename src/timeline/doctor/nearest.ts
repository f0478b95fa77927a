import type { Mac } from '../../model/mac.ts'

/**
 * How two different MACs resemble each other: one hex digit is another one, two neighbouring digits or octets stand
 * the wrong way round, or they are so close in number that one network card, or one machine, has both.
 */
export type Likeness = 'one-digit' | 'swapped' | 'next-to'

/** ports of one card have MACs that follow each other */
const portsOfOneCard = 8

/** @returns `undefined` when they have nothing in common, or are the same */
export function likeness(a: Mac, b: Mac): Likeness | undefined {
  if (a === b) return undefined
  const [x, y] = [digitsOf(a), digitsOf(b)]
  const places = Array.from(x).flatMap((digit, place) => (digit === y[place] ? [] : [place]))
  const isCard = x.slice(0, 6) === y.slice(0, 6)
  const distance = Math.abs(Number.parseInt(x.slice(6), 16) - Number.parseInt(y.slice(6), 16))
  if (isCard && distance <= portsOfOneCard) return 'next-to'
  if (places.length === 1) return 'one-digit'
  return isSwapped(x, y, places) || isSwapped(octetsOf(x), octetsOf(y)) ? 'swapped' : undefined
}

const digitsOf = (mac: Mac): string => mac.replaceAll(':', '')

/** One character for each octet. */
const octetsOf = (digits: string): string =>
  String.fromCharCode(...digits.match(/../g)!.map((octet) => Number.parseInt(octet, 16)))

function isSwapped(x: string, y: string, places = differing(x, y)): boolean {
  const [first, second] = places
  if (places.length !== 2 || first === undefined || second === undefined) return false
  return second === first + 1 && x[first] === y[second] && x[second] === y[first]
}

const differing = (x: string, y: string): number[] =>
  Array.from(x).flatMap((character, place) => (character === y[place] ? [] : [place]))

/** Likeness in words. */
export const likenessText: Readonly<Record<Likeness, string>> = {
  'one-digit': 'one digit differs',
  swapped: 'two digits or octets are swapped',
  'next-to': 'the next number or nearly so, as of another port of the same machine',
}
