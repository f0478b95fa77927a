import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { isCode, messageOf } from '../model/error.ts'

type Task = () => Promise<void>

/** Tasks by name: the same one again, before it has begun, is one. */
export type Queue = {
  add(name: string, task: Task): void
  /** runs what is added, until `end` */
  run(): Promise<void>
  end(): void
}

/** Tasks that run at a time. */
const atOnce = 50
/** A task that failed is tried again after this long, ms. */
const retryMs = 2000

/**
 * @param signal aborts when tasks are no longer tried again
 */
export function createQueue(
  { clock, log }: { clock: Pick<Clock, 'sleep'>; log: Pick<Logger, 'warn'> },
  signal: AbortSignal,
): Queue {
  const tasks = new Map<string, Task>()
  let ended = false
  let wake = () => {}

  const add = (name: string, task: Task) => {
    tasks.set(name, task)
    wake()
  }

  async function attempt(name: string, task: Task): Promise<void> {
    try {
      await task()
    } catch (error) {
      // Gone, or changed meanwhile: the change brings a task of its own.
      if (isCode(error, 'NotFound', 'Conflict') || ended) return
      log.warn({ task: name, why: messageOf(error) }, 'collector tries again')
      void clock.sleep(retryMs, signal).then(() => {
        if (!ended && !tasks.has(name)) add(name, task)
      })
    }
  }

  return {
    add,
    end() {
      ended = true
      wake()
    },
    async run() {
      while (!ended) {
        const group = [...tasks].slice(0, atOnce)
        for (const [name] of group) tasks.delete(name)
        await Promise.all(group.map(([name, task]) => attempt(name, task)))
        if (tasks.size > 0 || ended) continue
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
}
