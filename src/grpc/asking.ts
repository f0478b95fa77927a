import type { Clock } from '../model/clock.ts'

/** Why a call that waited for an action got none. */
export type NoAction = 'none' | 'taken-over' | 'gone' | 'draining'

export type Asking<Action> = {
  /** whether a call waits */
  isAsking(): boolean
  /** gives the call that waits its action; nothing happens when none does */
  give(action: Action): void
  /** ends the call that waits */
  end(why: NoAction): void
  /**
   * Waits for an action, for `holdMs` (0: only looks whether there is one), and takes the place of a call that waits already.
   * @param signal that the caller is gone
   * @throws what `look` throws
   */
  ask(holdMs: number, signal: AbortSignal): Promise<Action | NoAction>
}

/**
 * The calls of one agent that wait for an action: one at a time. `look` is called for each, and leads to `give` if there
 * is an action already; however often an agent calls, only one `look` is under way.
 */
export function createAsking<Action extends object>(
  clock: Pick<Clock, 'sleep'>,
  look: () => Promise<void>,
): Asking<Action> {
  type Call = { settle(result: Action | NoAction): void; fail(error: unknown): void; isPatient: boolean }
  let waiting: Call | undefined
  let isLooking = false
  let isStale = false

  const take = () => {
    const call = waiting
    waiting = undefined
    return call
  }
  const settle = (result: Action | NoAction) => take()?.settle(result)

  /** Looks until nobody has asked since the look began. */
  const lookOut = async () => {
    isStale = true
    if (isLooking) return
    isLooking = true
    while (isStale && waiting) {
      isStale = false
      const call = waiting
      try {
        await look()
        if (waiting === call && !call.isPatient) settle('none')
      } catch (error) {
        take()?.fail(error)
      }
    }
    isLooking = false
  }

  return {
    isAsking: () => waiting !== undefined,
    give: settle,
    end: settle,
    ask: async (holdMs, signal) => {
      settle('taken-over')
      if (signal.aborted) return 'gone'
      const stop = new AbortController()
      let mine: Call | undefined
      const result = new Promise<Action | NoAction>((resolve, reject) => {
        mine = { settle: resolve, fail: reject, isPatient: holdMs > 0 }
      })
      waiting = mine
      const leave = (why: NoAction) => {
        if (waiting === mine) settle(why)
      }
      const gone = () => leave('gone')
      signal.addEventListener('abort', gone, { once: true })
      void lookOut()
      if (holdMs > 0) void clock.sleep(holdMs, stop.signal).then(() => leave('none'))
      try {
        return await result
      } finally {
        stop.abort()
        signal.removeEventListener('abort', gone)
      }
    },
  }
}
