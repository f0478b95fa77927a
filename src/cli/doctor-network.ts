import { networkInterfaces } from 'node:os'
import type { Command } from 'commander'
import { CommandFailed, withExamples, withOutput } from './command.ts'
import type { CliDeps } from './command.ts'
import { dataText, textTable } from './output.ts'

type Options = { interface?: string[]; wait: string; output: 'table' | 'json' | 'yaml' }

/** `doctor network`: looks for the DHCP servers of the networks that this host is on. It asks no server of ours. */
export function doctorCommands(program: Command, deps: CliDeps): void {
  const doctor = program.command('doctor').description('look for what keeps machines from booting')
  withExamples(doctor, 'doctor network --interface eth1')
  const network = doctor
    .command('network')
    .summary('find the DHCP servers of a network')
    .description(
      'ask for an address on network interfaces, take none, and show which DHCP servers answer with what. Needs root.',
    )
    .option('--interface <names...>', 'network interfaces (default: all that have an IPv4 address)')
    .option('--wait <seconds>', 'how long answers are waited for', '6')
    .action((options: Options) => look(options, deps))
  withExamples(
    withOutput(network, 'table', 'json', 'yaml'),
    'doctor network',
    'doctor network --interface eth1 eth2 --wait 10',
    'doctor network --interface eth1 -o json',
  )
}

async function look(options: Options, deps: CliDeps): Promise<void> {
  const waitMs = Number(options.wait) * 1000
  if (!(waitMs > 0 && waitMs <= 300_000))
    throw new CommandFailed(`--wait ${options.wait}: expected seconds, 300 at most`, 2)
  const interfaces = (options.interface ?? connected()).flatMap((name) => name.split(','))
  // Not the API's client but the network's. It loads the library that makes the system's calls, which others need not.
  // oxlint-disable-next-line no-restricted-imports
  const { findServers } = await import('../dhcp/probe.ts')
  const found = await findServers({ interfaces, clock: deps, waitMs, signal: deps.signal })
  if (deps.signal.aborted) throw new CommandFailed('interrupted', 130)
  const own = new Set(ownAddresses())
  const servers = found.map((server) => ({ ...server, thisHost: own.has(server.from) }))
  if (options.output !== 'table') return void deps.stdout.write(await dataText(options.output, servers))
  if (servers.length === 0)
    return void deps.stderr.write(`no DHCP server answers on ${interfaces.join(', ')}\n`)
  const headers = ['INTERFACE', 'SERVER', 'KIND', 'OFFERS', 'ROUTER', 'LEASE', 'BOOT FILE']
  deps.stdout.write(
    textTable(
      headers,
      servers.map((one) => [
        one.interface,
        `${one.server}${one.thisHost ? ' (this host)' : ''}`,
        one.kind,
        one.ip ?? '',
        one.gateway ?? '',
        one.leaseSeconds === undefined ? '' : `${one.leaseSeconds} s`,
        one.bootFile ?? '',
      ]),
    ),
  )
}

const addresses = () =>
  Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? []).flatMap(({ family, internal, address }) =>
      family === 'IPv4' && !internal ? [{ name, address }] : [],
    ),
  )

const connected = () => [...new Set(addresses().map(({ name }) => name))]
const ownAddresses = () => addresses().map(({ address }) => address)
