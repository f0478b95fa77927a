import { isCode } from '../model/error.ts'
import type { CliDeps } from './command.ts'
import { durationText } from './progress.ts'

/** How long a server may be away, ms, and how often it is tried. */
const limitMs = 300_000
const everyMs = 1000

/** Whether `error` means that the server did not answer; another try may help. */
export const isAway = (error: unknown): boolean => isCode(error, 'Unavailable', 'Timeout')

/** Runs `work`, and runs it again while the server is away. */
export type Patiently = <T>(work: () => Promise<T>) => Promise<T>

/**
 * @param say told once that the server is away, and once that it is back
 * @returns a runner that throws what `work` throws, after five minutes also that the server is away
 */
export function createPatience(
  { now, sleep, signal }: Pick<CliDeps, 'now' | 'sleep' | 'signal'>,
  say: (text: string) => void,
): Patiently {
  let awaySince: number | undefined
  return async (work) => {
    for (;;) {
      try {
        const result = await work()
        if (awaySince !== undefined)
          say(`the server is back after ${durationText((now() - awaySince) / 1000)}`)
        awaySince = undefined
        return result
      } catch (error) {
        if (signal.aborted || !isAway(error)) throw error
        if (awaySince === undefined)
          say(`the server does not answer; trying for ${durationText(limitMs / 1000)}`)
        awaySince ??= now()
        if (now() - awaySince >= limitMs) throw error
        await sleep(everyMs, signal)
      }
    }
  }
}
