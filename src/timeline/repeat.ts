import { sameFacts } from './facts.ts'
import { stages } from './stage.ts'
import type { Facts, Stage, TimelineEntry } from './stage.ts'

/** What a machine does again and again when its boot leads nowhere. */
const looping: ReadonlySet<Stage> = new Set(stages.slice(0, stages.indexOf('agent-hello')))

/** entries of one round at most, and ms from one round to the next: firmware waits up to a minute between two tries */
const round = { entries: 16, ms: 120_000 }

/**
 * The entry that a stage repeats: the newest one when it says the same; for stages that a machine in a boot loop goes
 * through in turn, one of the latest, unless something else came after it.
 * @returns its index in `entries`
 */
export function repeated(
  entries: readonly TimelineEntry[],
  at: number,
  stage: Stage,
  facts: Facts,
): number | undefined {
  const newest = entries.length - 1
  const canLoop = looping.has(stage)
  const oldest = canLoop ? Math.max(0, entries.length - round.entries) : newest
  for (let index = newest; index >= oldest && index >= 0; index -= 1) {
    const entry = entries[index]!
    if (entry.stage === stage && sameFacts(entry.facts, facts, canLoop ? measured : undefined)) {
      return index === newest || at - entry.lastAt <= round.ms ? index : undefined
    }
    if (!looping.has(entry.stage)) return undefined
  }
  return undefined
}

/** How long a read took: never twice the same, and no other event for that. */
const measured = 'ms'
