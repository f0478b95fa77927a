import type { Command } from 'commander'
import type { UnknownMachine } from '../timeline/unknown.ts'
import { withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { failureOf } from './failure.ts'
import { dataText, localText, plainText, textTable } from './output.ts'

type Options = ConnectOptions & { output: 'table' | 'csv' | 'json' | 'yaml' }

/** `unknown list`: machines that were heard and are in no Hardware. */
export function unknownCommands(program: Command, deps: CliDeps): void {
  const unknown = program
    .command('unknown')
    .description('machines that ask for an address and are in no Hardware')
  const list = unknown
    .command('list')
    .description(
      'what each of them said of itself, the one heard last first; -o csv gives rows of hardware.csv to fill in',
    )
    .action((options: Options) => show(options, deps))
  withExamples(unknown, 'unknown list')
  withExamples(
    withOutput(withConnection(list), 'table', 'csv', 'json', 'yaml'),
    'unknown list',
    'unknown list -o csv > new.csv',
  )
}

async function show({ output, ...options }: Options, deps: CliDeps): Promise<void> {
  const machines = await withClient(options, deps, async (client) => {
    const answer = await client.request('GET', '/ironwake/v1/unknown')
    if (answer.status !== 200) throw failureOf(answer)
    return (answer.json as { machines: UnknownMachine[] }).machines
  })
  if (output === 'csv') deps.stdout.write(csvOf(machines))
  else if (output === 'table') deps.stdout.write(tableOf(machines))
  else deps.stdout.write(await dataText(output, machines))
}

const headers = ['MAC', 'LAST SEEN', 'COUNT', 'ARCH', 'UUID', 'SERIAL', 'VENDOR', 'RELAY']

function tableOf(machines: readonly UnknownMachine[]): string {
  const rows = machines.map(
    ({ mac, lastSeen, count, arch = '', uuid = '', serial = '', vendor = '', relay = '' }) => [
      mac,
      localText(lastSeen).slice(0, 19),
      String(count),
      arch,
      uuid,
      serial,
      vendor,
      relay,
    ],
  )
  return textTable(headers, rows)
}

/** The columns of EKS Anywhere's hardware.csv, BMC included, and `arch`, which the machine itself tells. */
const columns =
  'hostname,bmc_ip,bmc_username,bmc_password,mac,ip_address,netmask,gateway,nameservers,labels,disk,arch'

/** Rows with what is known: `hardware import` names every cell that is still to fill in. */
export function csvOf(machines: readonly UnknownMachine[]): string {
  const rows = machines.map(({ mac, arch }) => `,,,,${mac},,,,,,,${cpuOf(arch)}`)
  return [columns, ...rows, ''].join('\n')
}

const arm = ['10', '11', '18', '19', '21', '22']

/** Processor, from DHCP option 93. */
const cpuOf = (arch = ''): string =>
  arch === '' ? '' : arm.includes(plainText(arch).split(',')[0]!) ? 'aarch64' : 'x86_64'
