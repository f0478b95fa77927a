import { join } from 'node:path'
import { importMachines, namespace } from '../../src/lab/install.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import { addHost } from '../interop/hosts.ts'
import type { Host } from '../interop/hosts.ts'
import { until } from '../interop/spaces.ts'
import type { Bridge, Space } from '../interop/spaces.ts'
import type { FarSide } from './lossy-link.ts'

/** Puts a machine with a reservation on the far side. @param last the last part of its address */
export async function addClient(lab: Lab, { site, bridge }: FarSide, last: number): Promise<Host> {
  const host = await addHost(site, bridge, lab.network.host(last))
  await importMachines(lab, [{ name: `client-${last}`, mac: host.mac, last }])
  return host
}

/** A network of its own behind a relay, which is on the far side. */
export type Relayed = { gateway: string; bridge: Bridge }

/** Puts ISC's relay on the far side: it adds option 82, and drops replies that do not bring it back as it was. */
export async function addRelay(lab: Lab, { site, bridge, near }: FarSide): Promise<Relayed> {
  const gateway = '10.77.1.1'
  const uplink = lab.network.host(5)
  const space = await site.space()
  await site.plug(space, 'up0', bridge, { address: `${uplink}/24` })
  const down = await site.bridge(space, 'down0', `${gateway}/24`)
  await near.space.ip('route', 'add', '10.77.1.0/24', 'via', uplink)
  await space.run('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward')
  await startRelay(space, join(site.folder, 'relay.pid'), lab.network.address)
  return { gateway, bridge: down }
}

async function startRelay(space: Space, pid: string, server: string): Promise<void> {
  const words = ['-4', '-d', '-a', '-D', '-pf', pid, '-id', 'down0', '-iu', 'up0', server]
  const child = space.start('dhcrelay', ...words)
  let said = ''
  child.stderr!.on('data', (text) => (said += String(text)))
  await until(
    () => said.includes('Socket/fallback'),
    () => `dhcrelay is not ready: ${said}`,
  )
}

/** Puts a machine with a reservation behind the relay. */
export async function addRelayed(lab: Lab, { site }: FarSide, relayed: Relayed, last: number): Promise<Host> {
  const address = `10.77.1.${last}`
  const host = await addHost(site, relayed.bridge, address)
  const ip = { address, netmask: '255.255.255.0', gateway: relayed.gateway, family: 4 }
  await lab.api.create({
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    metadata: { name: `relayed-${last}`, namespace },
    spec: { interfaces: [{ dhcp: { mac: host.mac, ip }, netboot: { allowPXE: true } }] },
  })
  return host
}

/** One way to fetch a file by TFTP. @returns arguments that fetch `remote` to `local` */
export type Fetch = {
  name: string
  file: string
  command(server: string, remote: string, local: string): string[]
}

const atftp = (name: string, file: string, ...options: string[]): Fetch => ({
  name,
  file,
  command: (server, remote, local) => [
    'atftp',
    ...options.flatMap((option) => ['--option', option]),
    '-g',
    '-r',
    remote,
    '-l',
    local,
    server,
  ],
})

/**
 * The files are as long as each can get in a minute or two: most wait for an answer to every block. curl asks the server to
 * wait 6 s before it repeats one (RFC 2349).
 */
export const fetches: readonly Fetch[] = [
  {
    name: 'tftp-hpa',
    file: 'undionly.kpxe',
    command: (server, remote, local) => [
      'sh',
      '-c',
      `printf 'rexmt 1\\nget ${remote} ${local}\\n' | tftp -m binary ${server}`,
    ],
  },
  atftp('atftp', 'undionly.kpxe'),
  atftp('atftp with windowsize 16', 'ipxe.efi', 'blksize 1428', 'windowsize 16'),
  {
    name: 'curl with blksize 1468',
    file: 'undionly.kpxe',
    command: (server, remote, local) => [
      'curl',
      '-sS',
      '--tftp-blksize',
      '1468',
      '-o',
      local,
      `tftp://${server}/${remote}`,
    ],
  },
  {
    name: 'curl by HTTP',
    file: 'ipxe.efi',
    command: (server, remote, local) => [
      'curl',
      '-sS',
      '-f',
      '-o',
      local,
      `http://${server}:7171/ipxe/binary/${remote}`,
    ],
  },
]
