import type { ActionStatus } from '../model/workflow.ts'
import type { RunStatus } from './run.ts'

/** What an action without a positive `timeout` gets. */
export const defaultActionSeconds = 3600

/** How long after an action's deadline the server still waits for the agent's own word on it. */
export const graceMs = 5000

/** RFC 3339 in UTC with milliseconds. */
export function timeText(at: number): string {
  return new Date(at).toISOString()
}

/** @returns epoch ms; `undefined` when `text` is no time */
export function timeOf(text: string | undefined): number | undefined {
  const at = Date.parse(text ?? '')
  return Number.isNaN(at) ? undefined : at
}

/** A duration by its two largest units, as Tinkerbell writes it: `2m5s`, `1h30m`, `340ms`, `0s`. */
export function durationText(ms: number): string {
  if (ms < 1) return '0s'
  if (ms < 1000) return `${Math.floor(ms)}ms`
  const seconds = Math.floor(ms / 1000)
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  if (hours > 0) return minutes > 0 ? `${hours}h${minutes}m` : `${hours}h`
  if (minutes > 0) return rest > 0 ? `${minutes}m${rest}s` : `${minutes}m`
  return `${rest}s`
}

/** Seconds that the action may take. */
export function secondsFor(action: ActionStatus): number {
  return action.timeout !== undefined && action.timeout > 0 ? action.timeout : defaultActionSeconds
}

/** When the action that runs must have ended, epoch ms, pauses taken into account; `undefined` when none runs. */
export function runningDeadline(status: RunStatus): number | undefined {
  const action = status.tasks?.flatMap((task) => task.actions).find(({ state }) => state === 'RUNNING')
  const start = timeOf(action?.executionStart)
  if (!action || start === undefined) return undefined
  return start + secondsFor(action) * 1000 + (status.ironwake?.pausedMs ?? 0)
}

/** The next moment at which a `tick` changes this run, epoch ms; `undefined` when none is known. */
export function nextTick(status: RunStatus): number | undefined {
  const isPaused = status.conditions?.some(({ type, status: is }) => type === 'Paused' && is === 'True')
  if (status.state !== 'RUNNING' || isPaused) return undefined
  const action = runningDeadline(status)
  const times = [
    action === undefined ? undefined : action + graceMs,
    timeOf(status.globalExecutionStop),
    timeOf(status.ironwake?.nextTryAt),
  ]
  const known = times.filter((time) => time !== undefined)
  return known.length > 0 ? Math.min(...known) : undefined
}
