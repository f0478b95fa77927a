/**
 * Runs one action on this computer in a process of its own: `alone.ts ACTION FOLDER ENVIRONMENT`, the last as JSON. Its
 * log goes to the standard output.
 */
import { findAction } from '../../../src/agent/actions/registry.ts'
import { messageOf } from '../../../src/model/error.ts'
import { testRun } from '../machine.ts'
import { realMachine } from '../real.ts'

const [name = '', folder = '', environment = '{}'] = process.argv.slice(2)
const { run } = testRun(JSON.parse(environment) as Record<string, string>)
const log = (line: string) => console.log(line)
try {
  log((await findAction(name)({ ...run, log }, realMachine(folder))).message)
} catch (error) {
  log(messageOf(error))
  process.exitCode = 1
}
