/**
 * Runs one action on this computer in a process of its own: `alone.ts IMAGE FOLDER ENVIRONMENT [MORE]`, the last two as
 * JSON, MORE of the action's other settings. Its log goes to the standard output.
 */
import { findAction } from '../../../src/agent/actions/registry.ts'
import { messageOf } from '../../../src/model/error.ts'
import { testRun } from '../machine.ts'
import { realMachine } from '../real.ts'

const [image = '', folder = '', environment = '{}', more = '{}'] = process.argv.slice(2)
const { run } = testRun(JSON.parse(environment) as Record<string, string>)
const log = (line: string) => console.log(line)
try {
  const { message } = await findAction(image)(
    { ...run, image, ...(JSON.parse(more) as object), log },
    realMachine(folder),
  )
  log(message)
} catch (error) {
  log(messageOf(error))
  process.exitCode = 1
}
