import { randomFillSync } from 'node:crypto'
import { ulid } from 'ulid'

/** Random bytes that are fetched at once: asked for one by one, as `ulid` does by itself, they cost more than all else. */
const portion = 4096

/** @returns what gives a new ULID (https://github.com/ulid/spec) at each call */
export function createUlids(): () => string {
  const bytes = new Uint8Array(portion)
  let next = portion
  const random = () => {
    if (next === portion) {
      randomFillSync(bytes)
      next = 0
    }
    return bytes[next++]! / 256
  }
  return () => ulid(undefined, random)
}
