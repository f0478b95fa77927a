import type { Workflow } from '../model/workflow.ts'
import type { CliDeps } from './command.ts'
import { actionTitle, actionsOf, titleOf, waitingFor } from './outcome.ts'
import type { PlacedAction } from './outcome.ts'
import {
  barLine,
  blockMarks,
  durationText,
  percentOf,
  plainMarks,
  progressFrom,
  progressParts,
  rateOf,
  withSample,
} from './progress.ts'
import type { Marks, Progress, Sample } from './progress.ts'
import type { View } from './view.ts'

/** What the server says of an action's bytes. */
export type Said = { actionId: string; doneBytes?: unknown; totalBytes?: unknown }

/** What is under way just now: bars on a terminal, elsewhere a line now and then. */
export type Screen = {
  /** those whose progress is worth asking for */
  running(workflows: readonly Workflow[]): Workflow[]
  note(said: readonly Said[]): void
  show(workflows: readonly Workflow[]): void
}

/** What is known of the bytes of one action; `lineAt`: when a line was last written about it. */
type Track = { progress: Progress; samples: readonly Sample[]; lineAt: number }

/** Progress is a line of its own at most this often, ms. */
const lineMs = 5000
/** Workflows that are asked for at a time. */
const mostRunning = 20

type Options = { several: boolean; now: CliDeps['now']; env: CliDeps['env'] }

/** @param several whether lines have to say which Workflow they are about */
export function createScreen(view: View, { several, now, env }: Options): Screen {
  const tracks = new Map<string, Track>()
  const marks = marksOf(env)
  const prefix = (workflow: Workflow) => (several ? `${titleOf(workflow)} ` : '')

  function liveLine(workflow: Workflow): string {
    const look = { percent: undefined, columns: view.columns() - 1, marks }
    const action = runningAction(workflow)
    if (!action) return barLine(`workflow ${titleOf(workflow)}`, [waitingFor(workflow)], look)
    const title = prefix(workflow) + actionTitle(action)
    const known = tracks.get(action.id)
    if (!known) return barLine(title, [`running for ${durationText(secondsSince(action, now()))}`], look)
    const { progress, samples } = known
    return barLine(title, progressParts(progress, rateOf(samples)), { ...look, percent: percentOf(progress) })
  }

  function sayProgress(workflow: Workflow): void {
    const action = runningAction(workflow)
    const known = action && tracks.get(action.id)
    if (!known || now() - known.lineAt < lineMs) return
    tracks.set(action.id, { ...known, lineAt: now() })
    const parts = progressParts(known.progress, rateOf(known.samples))
    view.say(`${prefix(workflow)}${actionTitle(action)}: ${parts.join(', ')}`)
  }

  return {
    running: (workflows) => workflows.filter(runningAction).slice(0, mostRunning),
    note: (said) => {
      for (const { actionId, ...bytes } of said) {
        if (bytes.doneBytes === undefined) continue
        const progress = progressFrom(bytes)
        const known = tracks.get(actionId)
        const samples = withSample(known?.samples ?? [], { at: now(), doneBytes: progress.doneBytes })
        tracks.set(actionId, { progress, samples, lineAt: known?.lineAt ?? now() })
      }
    },
    show: (workflows) => {
      if (view.isLive) view.draw(workflows.map(liveLine))
      else workflows.forEach(sayProgress)
    },
  }
}

const runningAction = (workflow: Workflow): PlacedAction | undefined =>
  actionsOf(workflow).find(({ state }) => state === 'RUNNING')

function secondsSince({ executionStart = '' }: PlacedAction, now: number): number {
  const began = Date.parse(executionStart)
  return Number.isNaN(began) ? 0 : (now - began) / 1000
}

/** Blocks where the locale has them. */
export const marksOf = (env: CliDeps['env']): Marks =>
  /utf-?8/i.test(localeOf(env)) ? blockMarks : plainMarks

function localeOf(env: CliDeps['env']): string {
  return env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''
}
