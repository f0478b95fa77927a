import type { Verdict } from './change.ts'
import { end, ended, lastingNotes, start, withAction } from './change.ts'
import type { ActionNotes, Boot, Outcome, RunNotes, RunOptions, RunStatus } from './run.ts'
import type { Place } from './place.ts'
import { timeOf, timeText } from './timing.ts'

/** What an action with `retries` and without `retryDelay` waits before its first further try. */
export const defaultRetryDelaySeconds = 5
/** The longest wait between two tries. */
export const longestRetryDelaySeconds = 300

/** How long the try after `failures` failures (1 or more) is waited for: doubled each time, ms. */
export function retryDelayMs(
  { retryDelaySeconds = defaultRetryDelaySeconds }: ActionNotes,
  failures: number,
): number {
  return Math.min(retryDelaySeconds * 2 ** (failures - 1), longestRetryDelaySeconds) * 1000
}

/**
 * What follows when the action has failed, or run out of time: another try after a while if the template gives it one,
 * else the end of the run.
 */
export function fail(
  status: RunStatus,
  place: Place,
  verdict: Verdict,
  at: number,
  options: RunOptions,
): Outcome {
  const { ironwake = {} } = status
  const settings = ironwake.actions?.[place.action.id] ?? {}
  const { retries = 0 } = settings
  const failures = (ironwake.failures ?? 0) + 1
  const why = verdict.message || 'no reason given'
  const which = `try ${failures} of ${retries + 1}`
  if (failures > retries) {
    const message = retries > 0 ? `${which}: ${why}` : verdict.message
    return end(status, place, { ...verdict, message }, at, options)
  }
  const nextTryAt = timeText(at + retryDelayMs(settings, failures))
  const how = verdict.state === 'TIMEOUT' ? 'ran out of time' : 'failed'
  const message = `${which} ${how}: ${why}; next try at ${nextTryAt}`
  const action = ended(place.action, 'PENDING', message, at)
  const { bootId, session, attempt = 1 } = ironwake
  const notes: RunNotes = {
    ...lastingNotes(status),
    ...(bootId === undefined ? {} : { bootId }),
    ...(session === undefined ? {} : { session }),
    attempt,
    failures,
    lastError: why,
    nextTryAt,
  }
  return { status: { ...withAction(status, place, action), ironwake: notes }, commands: [] }
}

/** Whether the current action has failed and waits for another try. */
export const waitsForTry = ({ ironwake }: RunStatus): boolean => (ironwake?.failures ?? 0) > 0

/** The next try of an action that has failed; `undefined` while it is not due. */
export function tryAgain(status: RunStatus, place: Place, how: Boot & { at: number }): Outcome | undefined {
  const { failures = 0, lastError = '', attempt = 1, nextTryAt, actions } = status.ironwake ?? {}
  const due = timeOf(nextTryAt)
  if (due !== undefined && how.at < due) return undefined
  const { retries = failures } = actions?.[place.action.id] ?? {}
  const message = `try ${failures + 1} of ${retries + 1}; the one before: ${lastError}`
  return start(status, place, { ...how, attempt: attempt + 1, message, failures, lastError })
}

/** The time for the next try has come: whoever is there may start it. */
export function tryDue(status: RunStatus, at: number): Outcome | undefined {
  const due = timeOf(status.ironwake?.nextTryAt)
  if (due === undefined || at < due) return undefined
  const { nextTryAt: _, ...notes } = status.ironwake!
  return { status: { ...status, ironwake: notes }, commands: [] }
}
