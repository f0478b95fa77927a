import { randomFrom } from '../tftp/random.ts'

/** What a line does to frames; the same frames in the same order meet the same fate for the same `seed`. */
export type Quality = {
  /** per thousand: frames that do not arrive, that arrive twice, that are overtaken by later ones */
  lost: number
  doubled: number
  late: number
  /** of every frame, each way; milliseconds */
  delayMs: number
  /** what a late frame, or the second of two, takes besides */
  lateMs: number
  seed: number
}

/** What was done to the frames of one direction. */
export type Tally = { came: number; lost: number; doubled: number; late: number }

export const noTally: Tally = { came: 0, lost: 0, doubled: 0, late: 0 }

/** A long way over a disturbed link: a tenth is lost each way, and an answer takes a tenth of a second. */
export const poor: Quality = { lost: 100, doubled: 20, late: 30, delayMs: 50, lateMs: 25, seed: 7 }

/** The same cable without a fault. */
export const sound: Quality = { lost: 0, doubled: 0, late: 0, delayMs: 0, lateMs: 0, seed: 7 }

type Fate = { kind: keyof Omit<Tally, 'came'> | 'passed'; delaysMs: readonly number[] }

/** @returns what tells of each frame in turn after how long its copies arrive; it arrives never when there are none */
export function fatesOf({ lost, doubled, late, delayMs, lateMs, seed }: Quality): () => Fate {
  const random = randomFrom(seed)
  return () => {
    const draw = random(1000)
    if (draw < lost) return { kind: 'lost', delaysMs: [] }
    if (draw < lost + doubled) return { kind: 'doubled', delaysMs: [delayMs, delayMs + lateMs] }
    if (draw < lost + doubled + late) return { kind: 'late', delaysMs: [delayMs + lateMs] }
    return { kind: 'passed', delaysMs: [delayMs] }
  }
}
