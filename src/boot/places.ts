/** One transfer: it holds a place or waits for one, until it leaves. */
export type Place = {
  isTaken(): boolean
  /** how many had come earlier and were still waiting when it came */
  ahead: number
  /** Gives the place, or the turn, to others. May be called again. */
  leave(): void
}

export type Places = {
  /** @param onTurn called once, when it has a place; at once when there is one */
  enter(machine: string, onTurn: () => void): Place
  figures(): { sending: number; waiting: number }
}

export type PlaceRules = { places: number; ofMachine: number }

type Waiter = { machine: string; take(): void }

/**
 * Who may send at the same time. A place that is free goes to the machine that has fewest; of those, to the one that came
 * first.
 */
export function createPlaces({ places, ofMachine }: PlaceRules): Places {
  const held = new Map<string, number>()
  const waiters = new Set<Waiter>()
  let sending = 0
  const heldBy = (machine: string) => held.get(machine) ?? 0

  function next(): Waiter | undefined {
    let best: Waiter | undefined
    for (const waiter of waiters) {
      const count = heldBy(waiter.machine)
      if (count >= ofMachine) continue
      if (!best || count < heldBy(best.machine)) best = waiter
      if (count === 0) return waiter
    }
    return best
  }

  function deal(): void {
    while (sending < places) {
      const waiter = next()
      if (!waiter) return
      waiters.delete(waiter)
      held.set(waiter.machine, heldBy(waiter.machine) + 1)
      sending += 1
      waiter.take()
    }
  }

  function giveBack(machine: string): void {
    sending -= 1
    const rest = heldBy(machine) - 1
    if (rest > 0) held.set(machine, rest)
    else held.delete(machine)
    deal()
  }

  return {
    enter(machine, onTurn) {
      let [isTaken, isOver] = [false, false]
      const take = () => {
        isTaken = true
        onTurn()
      }
      const waiter = { machine, take }
      const ahead = waiters.size
      waiters.add(waiter)
      deal()
      return {
        isTaken: () => isTaken,
        ahead,
        leave() {
          if (isOver) return
          isOver = true
          waiters.delete(waiter)
          if (isTaken) giveBack(machine)
        },
      }
    },
    figures: () => ({ sending, waiting: waiters.size }),
  }
}
