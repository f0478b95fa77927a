import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { messageOf } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { KubeObject } from '../model/object.ts'
import { failureOf } from './failure.ts'
import { CommandFailed, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { dataText, plainText, textTable } from './output.ts'

type ImportOptions = ConnectOptions & { namespace?: string; dryRun?: boolean; output: 'table' | 'json' }
type ListOptions = ConnectOptions & {
  namespace?: string
  selector?: string
  output: 'table' | 'json' | 'yaml'
}

/** `hardware import` and `hardware list`. */
export function hardwareCommands(program: Command, deps: CliDeps): void {
  const hardware = program.command('hardware').description('the inventory: machines, one by one or as CSV')
  withExamples(hardware, 'hardware import hardware.csv', 'hardware list')
  const load = hardware
    .command('import <file>')
    .description(
      'create and update hardware from a CSV in the format of EKS Anywhere ("-": standard input); with a fault in it nothing is stored',
    )
    .option('-n, --namespace <name>', 'namespace of the objects (default: eksa-system)')
    .option('--dry-run', 'check the file and say what would change, store nothing')
    .action((file: string, options: ImportOptions) => importFile(file, options, deps))
  withExamples(
    withOutput(withConnection(load), 'table', 'json'),
    'hardware import hardware.csv',
    'hardware import --dry-run -n lab hardware.csv',
    'hardware import - < hardware.csv',
  )
  const list = hardware
    .command('list')
    .alias('ls')
    .description('machines of the inventory, of all namespaces')
    .option('-n, --namespace <name>', 'only this namespace')
    .option('-l, --selector <labels>', 'only machines with these labels')
    .action((options: ListOptions) => listHardware(options, deps))
  withExamples(
    withOutput(withConnection(list), 'table', 'json', 'yaml'),
    'hardware list',
    'hardware list -l type=worker',
    'hardware list -o json',
  )
}

/** The text of a file, or of standard input for `-`. */
export async function textOf(file: string, deps: CliDeps): Promise<string> {
  if (file === '-') return deps.readStdin()
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new CommandFailed(`cannot read ${file}: ${messageOf(error)}`)
  }
}

type Fault = { line: number; column: string; value: string; expected: string }
type Report = {
  created: number
  updated: number
  unchanged: number
  warnings?: string[]
  faults?: Fault[]
}

async function importFile(file: string, options: ImportOptions, deps: CliDeps): Promise<void> {
  const text = await textOf(file, deps)
  const query = new URLSearchParams({
    ...(options.namespace ? { namespace: options.namespace } : {}),
    ...(options.dryRun ? { dryRun: 'true' } : {}),
  }).toString()
  const headers = { 'content-type': 'text/csv' }
  const answer = await withClient(options, deps, (client) =>
    client.request('POST', `/ironwake/v1/hardware/import?${query}`, text, headers),
  )
  const report = answer.json as Report
  const { faults, warnings = [] } = report
  if (answer.status !== 200 && !(answer.status === 422 && faults)) throw failureOf(answer)
  for (const warning of warnings) deps.stderr.write(`warning: ${plainText(warning)}\n`)
  if (options.output === 'json') deps.stdout.write(await dataText('json', report))
  else deps.stdout.write(faults ? faultTable(faults) : summary(report, options.dryRun === true))
  if (!faults) return
  const count = `${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}`
  throw new CommandFailed(`${count}; nothing was imported`)
}

function faultTable(faults: readonly Fault[]): string {
  const rows = faults.map(({ line, column, value, expected }) => [String(line), column, value, expected])
  return textTable(['LINE', 'COLUMN', 'VALUE', 'EXPECTED'], rows)
}

function summary({ created, updated, unchanged }: Report, dryRun: boolean): string {
  const counts = `${created} created, ${updated} updated, ${unchanged} unchanged`
  return `${counts}${dryRun ? ' (dry run, nothing stored)' : ''}\n`
}

async function listHardware(options: ListOptions, deps: CliDeps): Promise<void> {
  const { namespace, selector: labelSelector, output } = options
  const items = await withClient(options, deps, (client) =>
    client.list('Hardware', { namespace, labelSelector }),
  )
  if (output !== 'table') {
    const list = { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'HardwareList', items }
    deps.stdout.write(await dataText(output, list))
  } else if (items.length === 0) deps.stderr.write('no hardware found\n')
  else deps.stdout.write(textTable(hardwareHeaders, items.map(hardwareRow)))
}

const hardwareHeaders = ['NAMESPACE', 'NAME', 'MAC', 'IP', 'DISK', 'LABELS', 'OWNER', 'STATE']
const ownerLabel = 'v1alpha1.tinkerbell.org/ownerName'

/** The cells of one machine; of several interfaces the first is shown, and how many there are besides. */
function hardwareRow(object: KubeObject): string[] {
  const { metadata, spec, status } = object as Hardware
  const interfaces = spec?.interfaces ?? []
  const first = interfaces[0]?.dhcp
  const labels = Object.entries(metadata.labels ?? {}).filter(
    ([key]) => !key.startsWith('v1alpha1.tinkerbell.org/'),
  )
  return [
    metadata.namespace,
    metadata.name,
    (first?.mac ?? '-') + (interfaces.length > 1 ? ` +${interfaces.length - 1}` : ''),
    first?.ip?.address ?? '-',
    spec?.disks?.[0]?.device ?? '-',
    labels.map(([key, value]) => `${key}=${value}`).join(',') || '-',
    metadata.labels?.[ownerLabel] ?? '-',
    status?.state ?? spec?.metadata?.state ?? '-',
  ]
}
