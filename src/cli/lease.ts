import type { Command } from 'commander'
import { withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { failureOf } from './failure.ts'
import { dataText, localText, textTable } from './output.ts'

type Lease = { ip: string; mac: string; state: string; since: string; until: string; hostname?: string }
type Options = ConnectOptions & { output: 'table' | 'json' | 'yaml' }

/** `lease list`: who has which address of the DHCP pool. */
export function leaseCommands(program: Command, deps: CliDeps): void {
  const lease = program.command('lease').description('addresses of the DHCP pool')
  withExamples(lease, 'lease list')
  const list = lease
    .command('list')
    .description('show who has, or had last, which address of the DHCP pool')
    .action((options: Options) => show(options, deps))
  withExamples(
    withOutput(withConnection(list), 'table', 'json', 'yaml'),
    'lease list',
    'lease list -o json',
    'lease list -o yaml',
  )
}

async function show(options: Options, deps: CliDeps): Promise<void> {
  await withClient(options, deps, async (client) => {
    const answer = await client.request('GET', '/ironwake/v1/leases')
    if (answer.status !== 200) throw failureOf(answer)
    const { leases } = answer.json as { leases: Lease[] }
    if (options.output !== 'table') return deps.stdout.write(await dataText(options.output, leases))
    if (leases.length === 0) return deps.stderr.write('nothing found\n')
    return deps.stdout.write(textTable(['ADDRESS', 'MAC', 'STATE', 'HOSTNAME', 'UNTIL'], leases.map(cellsOf)))
  })
}

function cellsOf({ ip, mac, state, hostname = '', until }: Lease): string[] {
  const isOver = state === 'released' || state === 'expired'
  return [ip, mac, state, hostname, isOver ? '' : localText(Date.parse(until)).slice(0, 19)]
}
