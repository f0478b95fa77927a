import type { Clock } from '../model/clock.ts'

/** How many bytes a transfer may send now. */
export type Allowance = {
  /** @returns some of `most`, as soon as it is this transfer's turn; 0 once it has left */
  take(most: number): Promise<number>
  /** what was taken and not sent */
  giveBack(bytes: number): void
}

/** The share of one transfer, until it leaves. */
export type Lane = Allowance & { leave(): void }

export type Rate = { lane(machine: string): Lane }

/** bytes a second; 0: no limit */
export type RateRules = { total: number; ofMachine: number; clock: Clock }

type Ask = { most: number; give(bytes: number): void }

type Bucket = { left: number; at: number }

/** `at`: what it has been given, in bytes, counted so that who comes late gets nothing for the time before. */
type Machine = { at: number; lanes: number; asks: Ask[]; bucket: Bucket }

/** given at once: a twentieth of a second, so that a busy machine is not late for its turn, but no less than a disk likes to read */
const portionOf = (perSecond: number) => (perSecond === 0 ? Infinity : Math.max(16 * 1024, perSecond / 20))

/** machines that are remembered after their last transfer, so that they get no more by coming again */
const remembered = 1000

/**
 * Shares bytes a second out among machines, however many transfers each has: the next portion goes to the machine that
 * has had least.
 */
export function createRate({ total, ofMachine, clock }: RateRules): Rate {
  const most = Math.floor(Math.min(portionOf(total), portionOf(ofMachine)))
  const machines = new Map<string, Machine>()
  const asking = new Set<Machine>()
  const common: Bucket = { left: 4 * portionOf(total), at: clock.now() }
  let turn = 0
  let pause: AbortController | undefined

  /** @returns ms until `bytes` are there */
  function wait(bucket: Bucket, perSecond: number, bytes: number, now: number): number {
    if (perSecond === 0) return 0
    const passed = Math.max(0, now - bucket.at)
    bucket.at = now
    bucket.left = Math.min(4 * portionOf(perSecond), bucket.left + (passed * perSecond) / 1000)
    return bucket.left >= bytes ? 0 : Math.ceil(((bytes - bucket.left) * 1000) / perSecond)
  }

  /** @returns the machine whose turn it is, else ms until one has anything left of its own */
  function next(now: number): Machine | number {
    let best: Machine | undefined
    let soonest = Infinity
    for (const machine of asking) {
      const ms = wait(machine.bucket, ofMachine, Math.min(most, machine.asks[0]!.most), now)
      soonest = Math.min(soonest, ms)
      if (ms === 0 && (!best || machine.at < best.at)) best = machine
    }
    return best ?? soonest
  }

  function give(machine: Machine, bytes: number): void {
    const ask = machine.asks.shift()!
    if (machine.asks.length === 0) asking.delete(machine)
    turn = machine.at
    spend(machine, bytes)
    ask.give(bytes)
  }

  function spend(machine: Machine, bytes: number): void {
    machine.at += bytes
    if (ofMachine > 0) machine.bucket.left -= bytes
    if (total > 0) common.left -= bytes
  }

  function deal(): void {
    pause?.abort()
    pause = undefined
    const now = clock.now()
    while (asking.size > 0) {
      const machine = next(now)
      if (typeof machine === 'number') return later(machine)
      const bytes = Math.min(most, machine.asks[0]!.most)
      const ms = wait(common, total, bytes, now)
      if (ms > 0) return later(ms)
      give(machine, bytes)
    }
  }

  function later(ms: number): void {
    const { signal } = (pause = new AbortController())
    void clock.sleep(ms, signal).then(() => signal.aborted || deal())
  }

  function machineOf(name: string): Machine {
    const known = machines.get(name)
    const machine = known ?? {
      at: 0,
      lanes: 0,
      asks: [],
      bucket: { left: 4 * portionOf(ofMachine), at: clock.now() },
    }
    machines.delete(name)
    machines.set(name, machine)
    return machine
  }

  function forgetSome(): void {
    for (const [name, { lanes }] of machines) {
      if (machines.size <= remembered) return
      if (lanes === 0) machines.delete(name)
    }
  }

  return {
    lane(name) {
      const machine = machineOf(name)
      machine.lanes += 1
      const mine = new Set<Ask>()
      let isOver = false
      const drop = (ask: Ask) => {
        machine.asks.splice(machine.asks.indexOf(ask), 1)
        if (machine.asks.length === 0) asking.delete(machine)
        ask.give(0)
      }
      return {
        take: (wanted) =>
          new Promise((resolve) => {
            if (isOver || wanted <= 0) return resolve(0)
            const ask: Ask = {
              most: wanted,
              give: (bytes) => {
                mine.delete(ask)
                resolve(bytes)
              },
            }
            mine.add(ask)
            if (machine.asks.length === 0) machine.at = Math.max(machine.at, turn)
            machine.asks.push(ask)
            asking.add(machine)
            deal()
          }),
        giveBack(bytes) {
          if (bytes <= 0) return
          spend(machine, -bytes)
          deal()
        },
        leave() {
          if (isOver) return
          isOver = true
          for (const ask of mine) drop(ask)
          machine.lanes -= 1
          forgetSome()
          deal()
        },
      }
    },
  }
}
