import type { Clock } from '../model/clock.ts'
import { createPlaces } from './places.ts'
import type { Place, PlaceRules } from './places.ts'
import { createRate } from './rate.ts'
import type { Allowance } from './rate.ts'

export type BudgetRules = PlaceRules & {
  /** bytes a second of all, and of one machine; 0: no limit */
  perSecond: { total: number; ofMachine: number }
}

/** One transfer in the budget, from the first byte of its body to its last. */
export type Transfer = {
  /** transfers that it had to wait for; 0: it may begin at once */
  ahead: number
  isItsTurn(): boolean
  /** resolves at its turn, when it has left, or a while after the last call: then it may show that it is still there */
  turn(): Promise<void>
  /** what holds it back once it has begun; `undefined`: nothing does */
  allowance: Allowance | undefined
  /** Gives back its place at once; may be called again. */
  leave(): void
}

/** Images are sent by turns: so many at once, so many bytes a second, fairly by machine. Nobody is refused. */
export type ImageBudget = {
  /**
   * @param machine its MAC, or the address that asks
   * @param bytes of the body: short ones need no place, so that a reader may look something up while it reads
   */
  enter(machine: string, bytes: number): Transfer
  /** transfers that have a place, and that wait for one */
  figures(): { sending: number; waiting: number }
}

/** less than clients bear without a byte: many give up after half a minute */
const patienceMs = 10_000
const shortBytes = 1024 * 1024

const noPlace: Place = { isTaken: () => true, ahead: 0, leave: () => {} }

export function createImageBudget({ perSecond, ...rules }: BudgetRules, clock: Clock): ImageBudget {
  const places = createPlaces(rules)
  const isLimited = perSecond.total > 0 || perSecond.ofMachine > 0
  const rate = isLimited ? createRate({ ...perSecond, clock }) : undefined
  return {
    enter(machine, bytes) {
      const stir = new AbortController()
      const place = bytes < shortBytes ? noPlace : places.enter(machine, () => stir.abort())
      const lane = rate?.lane(machine)
      return {
        ahead: place.isTaken() ? 0 : place.ahead + 1,
        isItsTurn: place.isTaken,
        turn: () => clock.sleep(patienceMs, stir.signal),
        allowance: lane,
        leave() {
          place.leave()
          lane?.leave()
          stir.abort()
        },
      }
    },
    figures: places.figures,
  }
}
