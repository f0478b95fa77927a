import type { Command } from 'commander'
import type { Cause, Diagnosis } from '../timeline/doctor/diagnose.ts'
import type { Evidence } from '../timeline/doctor/case.ts'
import { CommandFailed, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { failureOf } from './failure.ts'
import { dataText, localText, plainText } from './output.ts'

type Options = ConnectOptions & { output: 'text' | 'json' | 'yaml' }

const examples = ['doctor machine-1', 'doctor 52:54:00:12:34:56', 'doctor eksa-system/machine-1 -o json']

/**
 * `doctor <machine>`: why a machine does not go on. Exit code 0: nothing is wrong with it, 1: something is. It shares its
 * name with `doctor network`, which is there before it.
 */
export function doctorCommand(program: Command, deps: CliDeps): void {
  const doctor = program.commands.find((command) => command.name() === 'doctor') ?? program.command('doctor')
  doctor
    .argument('[machine]', 'a MAC, a hardware name or "namespace/name"')
    .summary('why a machine does not go on')
    .description(
      'why a machine does not go on: where its boot stopped, what was to come next, likely causes and what to do. ' +
        'Exit code 0: nothing is wrong with it, 1: something is.',
    )
    .enablePositionalOptions()
    .action((machine: string | undefined, options: Options) => {
      if (machine === undefined)
        throw new CommandFailed('which machine? A MAC, a hardware name or "namespace/name"', 2)
      return show(machine, options, deps)
    })
  withExamples(withOutput(withConnection(doctor), 'text', 'json', 'yaml'), ...examples)
}

async function show(machine: string, { output, ...options }: Options, deps: CliDeps): Promise<void> {
  const path = `/ironwake/v1/doctor/${machine.split('/').map(encodeURIComponent).join('/')}`
  const diagnosis = await withClient(options, deps, async (client) => {
    const answer = await client.request('GET', path)
    if (answer.status !== 200) throw failureOf(answer)
    return answer.json as Diagnosis
  })
  deps.stdout.write(output === 'text' ? reportOf(diagnosis, deps.now()) : await dataText(output, diagnosis))
  const first = diagnosis.causes[0]
  if (diagnosis.state === 'problem')
    throw new CommandFailed(`${machine} has a problem${first ? `: ${plainText(first.title)}` : ''}`)
}

const states = {
  healthy: 'nothing is wrong with it',
  'under-way': 'under way, nothing is overdue',
  problem: 'it does not go on',
} as const

/** The report for people; times are local. */
export function reportOf(diagnosis: Diagnosis, now: number): string {
  const { hardware, macs, state, reached, expected, causes, journey } = diagnosis
  const lines = [
    `${hardware ?? 'unknown machine'} (${macs.join(', ')}): ${states[state]}`,
    `  reached   ${reached ? `${localText(reached.at)}  ${reached.text} (${ago(now - reached.at)})` : 'nothing yet'}`,
    ...(expected ? [`  expected  ${expected}`] : []),
    ...timesOf(journey),
    ...causes.flatMap((cause, index) => ['', ...causeLines(cause, index + 1)]),
  ]
  return lines.map((line) => `${plainText(line)}\n`).join('')
}

function timesOf({ toAgentMs, toPhoneHomeMs }: Diagnosis['journey']): string[] {
  const parts = [
    ...(toAgentMs === undefined ? [] : [`agent after ${seconds(toAgentMs)}`]),
    ...(toPhoneHomeMs === undefined ? [] : [`phoned home after ${seconds(toPhoneHomeMs)}`]),
  ]
  return parts.length > 0 ? [`  times     from the first DISCOVER: ${parts.join(', ')}`] : []
}

function causeLines({ cause, likelihood, title, evidence, todo }: Cause, number: number): string[] {
  return [
    `${number}. ${title}  [${cause}, ${likelihood}]`,
    ...evidence.map((one) => `   seen  ${evidenceText(one)}`),
    ...todo.map((step) => `   do    ${step}`),
  ]
}

const evidenceText = ({ at, text }: Evidence): string =>
  at === undefined ? text : `${localText(at)}  ${text}`

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

function ago(ms: number): string {
  const whole = Math.max(0, Math.round(ms / 1000))
  if (whole < 120) return `${whole} s ago`
  const minutes = Math.round(whole / 60)
  return minutes < 120 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`
}
