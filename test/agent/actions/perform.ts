import type { Test } from 'tap'
import type { ActionRun, Machine } from '../../../src/agent/actions/action.ts'
import { findAction } from '../../../src/agent/actions/registry.ts'
import { ownFolder } from '../loop.ts'
import { testRun } from '../machine.ts'
import { realMachine } from '../real.ts'

/** Runs an action on this computer. @returns what it says at the end, be it an error, and on the way */
export async function perform(
  t: Test,
  image: string,
  environment: Record<string, string>,
  more: Partial<ActionRun> & { machine?: Partial<Machine> } = {},
) {
  const { machine, ...given } = more
  const { run, lines } = testRun(environment)
  const where = { ...realMachine(ownFolder(t)), ...machine }
  const outcome = await findAction(image)({ ...run, image, ...given }, where).then(
    ({ message, leave }) => ({ message, leave }),
    (error: unknown) => ({ message: (error as Error).message, leave: undefined }),
  )
  return { ...outcome, lines }
}
