import { createInterface } from 'node:readline'
import { fatesOf, noTally } from './poor-line.ts'
import type { Quality, Tally } from './poor-line.ts'
import { openTap } from './poor-tap.ts'
import type { Tap } from './poor-tap.ts'

/**
 * The cable as a program of its own. Arguments: names of its two interfaces, which it makes, and a Quality as JSON. Prints
 * "ready"; carries frames from the first line of its input on, and answers each line with the tallies of both directions
 * as JSON. Ends with SIGKILL.
 */
const [near = '', far = '', text = ''] = process.argv.slice(2)
const quality = JSON.parse(text) as Quality
const ends = { near: openTap(near), far: openTap(far) }

function carry(from: Tap, to: Tap, seed: number): Tally {
  const tally = { ...noTally }
  const nextFate = fatesOf({ ...quality, seed })
  from.listen((frame) => {
    const { kind, delaysMs } = nextFate()
    tally.came += 1
    if (kind !== 'passed') tally[kind] += 1
    for (const delayMs of delaysMs) {
      if (delayMs === 0) to.send(frame)
      else setTimeout(() => to.send(frame), delayMs)
    }
  })
  return tally
}

let tallies: { toFar: Tally; toNear: Tally } | undefined
const begin = () => ({
  toFar: carry(ends.near, ends.far, quality.seed),
  toNear: carry(ends.far, ends.near, quality.seed + 1),
})
createInterface(process.stdin).on('line', () => {
  tallies ??= begin()
  console.log(JSON.stringify(tallies))
})
console.log('ready')
