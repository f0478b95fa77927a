import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { messageOf } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { KubeObject } from '../model/object.ts'
import { CommandFailed, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { exportCommand } from './hardware-export.ts'
import { importCommand } from './hardware-import.ts'
import { dataText, textTable } from './output.ts'

type ListOptions = ConnectOptions & {
  namespace?: string
  selector?: string
  output: 'table' | 'json' | 'yaml'
}

/** `hardware import`, `hardware export` and `hardware list`. */
export function hardwareCommands(program: Command, deps: CliDeps): void {
  const hardware = program.command('hardware').description('the inventory: machines, one by one or as CSV')
  withExamples(hardware, 'hardware import hardware.csv', 'hardware list')
  importCommand(hardware, deps)
  exportCommand(hardware, deps)
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
