import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { Command } from 'commander'
import { messageOf } from '../model/error.ts'
import { CommandFailed, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { failureOf } from './failure.ts'
import { createImportBar } from './import-bar.ts'
import type { ImportProgress } from './import-bar.ts'
import { dataText, plainText, textTable } from './output.ts'
import type { DataFormat } from './output.ts'

type Options = ConnectOptions & { namespace?: string; dryRun?: boolean; output: 'table' | DataFormat }

/** `hardware import`. */
export function importCommand(hardware: Command, deps: CliDeps): void {
  const command = hardware
    .command('import <file>')
    .description(
      'create and update hardware from a CSV in the format of EKS Anywhere ("-": standard input); with a fault in it nothing is stored',
    )
    .option('-n, --namespace <name>', 'namespace of rows that name none (default: eksa-system)')
    .option('--dry-run', 'check the file and say what would change, store nothing')
    .action((file: string, options: Options) => importFile(file, options, deps))
  withExamples(
    withOutput(withConnection(command), 'table', 'json', 'yaml'),
    'hardware import hardware.csv',
    'hardware import --dry-run -n lab hardware.csv',
    'hardware import - < hardware.csv',
  )
}

type Fault = { line: number; column: string; value: string; expected: string }
type Names = { count: number; names: string[] }
type FieldChange = { kind: string; path: string; from?: unknown; to?: unknown; secret?: true }
type Change = { line: number; name: string; action: string; fields: FieldChange[] }
type Report = {
  created: number
  updated: number
  unchanged: number
  warnings?: string[]
  gone?: Names
  bmcKept?: Names
  changes?: Change[]
  moreChanges?: number
  faults?: Fault[]
  moreFaults?: number
}

async function importFile(file: string, options: Options, deps: CliDeps): Promise<void> {
  const report = await send(file, options, deps)
  for (const warning of report.warnings ?? []) deps.stderr.write(`warning: ${plainText(warning)}\n`)
  const { faults, moreFaults = 0 } = report
  if (options.output !== 'table') deps.stdout.write(await dataText(options.output, report))
  else deps.stdout.write(faults ? faultTable(faults) : resultText(report, options.dryRun === true))
  if (!faults) return
  const total = faults.length + moreFaults
  const first = moreFaults > 0 ? `, the first ${faults.length} of which are shown` : ''
  throw new CommandFailed(`${total} ${total === 1 ? 'fault' : 'faults'}${first}; nothing was imported`)
}

/** Sends the file while it is read, and shows how far it has come. */
async function send(file: string, options: Options, deps: CliDeps): Promise<Report> {
  const { body, bytes } = await opened(file, deps)
  const query = new URLSearchParams({
    ...(options.namespace ? { namespace: options.namespace } : {}),
    ...(options.dryRun ? { dryRun: 'true' } : {}),
  }).toString()
  const headers = { 'content-type': 'text/csv', ...(bytes > 0 ? { 'content-length': String(bytes) } : {}) }
  const bar = createImportBar(deps)
  let last: { phase: string } | undefined
  try {
    const answer = await withClient(options, deps, (client) =>
      client.upload(`/ironwake/v1/hardware/import?${query}`, body, headers, (line) => {
        last = line as { phase: string }
        bar.show(last as ImportProgress)
      }),
    )
    if (answer && answer.status !== 200) throw failureOf(answer)
    if (answer) return answer.json as Report
  } finally {
    bar.end()
  }
  if (last?.phase !== 'done' && last?.phase !== 'failed')
    throw new CommandFailed('the connection broke before the result: import the file again')
  const { phase, ...result } = last as { phase: string } & Report
  const code = (result as { code?: number }).code
  if (phase === 'failed' && !result.faults) throw failureOf({ status: code ?? 500, json: result })
  return result
}

async function opened(file: string, deps: CliDeps): Promise<{ body: Readable; bytes: number }> {
  if (file === '-') {
    const content = Buffer.from(await deps.readStdin())
    return { body: Readable.from([content]), bytes: content.length }
  }
  try {
    const handle = await open(file)
    const found = await handle.stat()
    if (!found.isDirectory()) return { body: handle.createReadStream(), bytes: found.size }
    await handle.close()
  } catch (error) {
    throw new CommandFailed(`cannot read ${file}: ${messageOf(error)}`)
  }
  throw new CommandFailed(`cannot read ${file}: it is a folder`)
}

function faultTable(faults: readonly Fault[]): string {
  const rows = faults.map(({ line, column, value, expected }) => [String(line), column, value, expected])
  return textTable(['LINE', 'COLUMN', 'VALUE', 'EXPECTED'], rows)
}

function resultText(report: Report, dryRun: boolean): string {
  const { created, updated, unchanged, changes = [], moreChanges = 0, gone, bmcKept } = report
  const more = moreChanges > 0 ? `and ${moreChanges} more\n` : ''
  const table = changes.length > 0 ? `${changeTable(changes)}${more}\n` : ''
  const counts = `${created} created, ${updated} updated, ${unchanged} unchanged`
  return [
    `${table}${counts}${dryRun ? ' (dry run, nothing stored)' : ''}\n`,
    named('imported before, not in this file, left alone', gone),
    named('with a BMC but without BMC fields in this file, its BMC left alone', bmcKept),
  ].join('')
}

/** Names that are listed. */
const mostNames = 20

function named(title: string, names: Names | undefined): string {
  if (!names || names.count === 0) return ''
  const shown = names.names.slice(0, mostNames).map(plainText)
  const more = names.count > shown.length ? ` and ${names.count - shown.length} more` : ''
  return `${names.count} ${title}: ${shown.join(', ')}${more}\n`
}

function changeTable(changes: readonly Change[]): string {
  const rows = changes.flatMap(({ line, name, action, fields }) => {
    const head = [String(line), name, action]
    if (fields.length === 0) return [head]
    return fields.map((field, at) => [...(at === 0 ? head : ['', '', '']), ...fieldCells(field)])
  })
  return textTable(['LINE', 'MACHINE', 'CHANGE', 'FIELD', 'FROM', 'TO'], rows)
}

function fieldCells({ kind, path, from, to, secret }: FieldChange): string[] {
  const title = kind === 'Hardware' ? path : `${kind}${path ? `: ${path}` : ''}`
  return secret ? [title, '(secret)', '(secret)'] : [title, valueText(from), valueText(to)]
}

const longestValue = 60

function valueText(value: unknown): string {
  if (value === undefined) return '-'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > longestValue ? `${text.slice(0, longestValue - 1)}…` : text
}
