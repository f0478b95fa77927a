import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Leave } from './leave.ts'
import type { ActionReport } from '../model/agent-protocol.ts'

/**
 * What is known of one action: its last report, how often it was started, whether the server has that report, and how
 * this boot is to end because of it.
 */
export type Entry = ActionReport & { starts: number; acknowledged: boolean; leave?: Leave }

const keep = 200

/**
 * The actions of this boot, in a file on the RAM disk: an agent that is started again knows which ones have ended and
 * which one it was in the middle of.
 */
export class Ledger {
  readonly #file: string
  readonly #entries: Map<string, Entry>

  /** @param file its folder exists; an unreadable or broken file counts as empty */
  constructor(file: string) {
    this.#file = file
    this.#entries = new Map(load(file).map((entry) => [entry.actionId, entry]))
  }

  get(actionId: string): Entry | undefined {
    return this.#entries.get(actionId)
  }

  /** Replaces what is known of the action; on the RAM disk when it returns. */
  put(entry: Entry): void {
    this.#entries.delete(entry.actionId)
    this.#entries.set(entry.actionId, entry)
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= keep) break
      this.#entries.delete(id)
    }
    const next = `${this.#file}.next`
    writeFileSync(next, JSON.stringify([...this.#entries.values()]), { mode: 0o600 })
    renameSync(next, this.#file)
  }

  /** The action after which this boot ends. */
  leaving(): Entry | undefined {
    return [...this.#entries.values()].find(({ leave }) => leave !== undefined)
  }

  /** Ended actions whose end the server has not confirmed, oldest first. */
  unacknowledged(): Entry[] {
    return [...this.#entries.values()].filter((entry) => hasEnded(entry) && !entry.acknowledged)
  }
}

/** Whether the action has come to its end in the attempt the entry names. */
export function hasEnded(entry: Pick<Entry, 'state'>): boolean {
  return entry.state !== 'ACTION_STATE_RUNNING'
}

function load(file: string): Entry[] {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return Array.isArray(value) ? (value as Entry[]) : []
  } catch {
    return []
  }
}
