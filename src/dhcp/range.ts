import { ip4ToNumber, parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'

/** Addresses of a pool, both ends included. */
export type PoolRange = { first: Ip4; last: Ip4 }

const maxAddresses = 65_536

/** @returns the range that `a.b.c.d-e.f.g.h` names, or what is wrong with it */
export function parseRange(text: string): PoolRange | string {
  const [first, last, ...more] = text.split('-').map((part) => parseIp4(part.trim()))
  if (!first || !last || more.length > 0) return 'is not a range like 192.168.1.100-192.168.1.199'
  const size = ip4ToNumber(last) - ip4ToNumber(first) + 1
  if (size < 1) return 'ends before it begins'
  return size > maxAddresses ? `has ${size} addresses, more than ${maxAddresses}` : { first, last }
}
