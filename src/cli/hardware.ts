import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { messageOf } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { KubeObject } from '../model/object.ts'
import { failureOf } from './failure.ts'
import { CommandFailed, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { dataText, plainText, textTable } from './output.ts'

type Json = Record<string, unknown>
type ImportOptions = ConnectOptions & { namespace?: string; dryRun?: boolean; output: 'table' | 'json' }
type ListOptions = ConnectOptions & { namespace?: string; selector?: string; output: 'table' | 'json' | 'yaml' }

/** `hardware import` and `hardware list`. */
export function hardwareCommands(program: Command, deps: CliDeps): void {
  const hardware = program.command('hardware').description('the inventory: machines, one by one or as CSV')
  withExamples(hardware, 'hardware import hardware.csv', 'hardware list')
  const load = hardware
    .command('import <file>')
    .description('create and update hardware from a CSV in the format of EKS Anywhere ("-": standard input)')
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
    .description('machines of all namespaces')
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

async function importFile(file: string, options: ImportOptions, deps: CliDeps): Promise<void> {
  const text = await textOf(file, deps)
  const query = new URLSearchParams()
  if (options.namespace) query.set('namespace', options.namespace)
  if (options.dryRun) query.set('dryRun', 'true')
  const headers = { 'content-type': 'text/csv' }
  const answer = await withClient(options, deps, (client) =>
    client.request('POST', `/ironwake/v1/hardware/import?${query}`, text, headers),
  )
  const report = answer.json as Json
  const faults = report?.['faults']
  if (answer.status === 422 && Array.isArray(faults)) return refuse(faults as Json[], report, options, deps)
  if (answer.status !== 200) throw failureOf(answer)
  const warnings = report['warnings']
  for (const warning of Array.isArray(warnings) ? (warnings as unknown[]) : [])
    deps.stderr.write(`warning: ${plainText(warningText(warning))}\n`)
  if (options.output === 'json') deps.stdout.write(await dataText('json', report))
  else deps.stdout.write(summary(report, options.dryRun === true))
}

async function refuse(faults: Json[], report: Json, options: ImportOptions, deps: CliDeps): Promise<void> {
  if (options.output === 'json') deps.stdout.write(await dataText('json', report))
  else deps.stdout.write(faultTable(faults))
  throw new CommandFailed(`${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}; nothing was imported`)
}

function faultTable(faults: Json[]): string {
  const columns = ['line', 'column', 'value', 'expected']
  const rows = faults.map((fault) => columns.map((column) => String(fault[column] ?? '')))
  return textTable(
    columns.map((column) => column.toUpperCase()),
    rows,
  )
}

function warningText(warning: unknown): string {
  if (typeof warning !== 'object' || warning === null) return String(warning)
  const { line, message } = warning as Json
  if (message === undefined) return JSON.stringify(warning)
  return line === undefined ? String(message) : `line ${String(line)}: ${String(message)}`
}

function summary(report: Json, dryRun: boolean): string {
  const counts = ['created', 'updated', 'unchanged'].map((word) => `${countOf(report[word])} ${word}`)
  return `${counts.join(', ')}${dryRun ? ' (dry run, nothing stored)' : ''}\n`
}

const countOf = (value: unknown): number => (Array.isArray(value) ? value.length : Number(value ?? 0))

async function listHardware(options: ListOptions, deps: CliDeps): Promise<void> {
  const { namespace, selector: labelSelector, output } = options
  const items = await withClient(options, deps, (client) => client.list('Hardware', { namespace, labelSelector }))
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
  const labels = Object.entries(metadata.labels ?? {}).filter(([key]) => !key.startsWith('v1alpha1.tinkerbell.org/'))
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
