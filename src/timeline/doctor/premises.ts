import { access } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { parseIp4 } from '../../model/ip4.ts'
import type { Ip4 } from '../../model/ip4.ts'
import type { ServerState } from './case.ts'

type Premises = {
  address: Ip4
  /** setting dhcp.mode */
  dhcp: string
  dirs: { ipxeDir: string; osDir: string }
  /** by the names of `checks` */
  ports: Readonly<Record<string, number>>
  /** which parts have to listen, and do */
  checks(): readonly { name: string; ok: boolean }[]
  ready(): boolean
}

const loaders = ['undionly.kpxe', 'ipxe.efi', 'ipxe-arm64.efi']
const systems = ['vmlinuz-x86_64', 'initramfs-x86_64', 'vmlinuz-aarch64', 'initramfs-aarch64']

/** What of the server a boot depends on, looked at now. */
export async function serverState(premises: Premises): Promise<Omit<ServerState, 'dhcpHeardAt'>> {
  const { address, dhcp, dirs, ports, checks, ready } = premises
  const files = [
    ...loaders.map((name) => ({ name, dir: dirs.ipxeDir, madeBy: 'ironwake os ipxe' })),
    ...systems.map((name) => ({ name, dir: dirs.osDir, madeBy: 'ironwake os build' })),
  ]
  return {
    address,
    subnets: subnets(),
    ready: ready(),
    dhcp,
    ports: checks().flatMap(({ name, ok }) => {
      const port = ports[name]
      return port === undefined ? [] : [{ name, port, listening: ok }]
    }),
    files: await Promise.all(
      files.map(async ({ name, dir, madeBy }) => ({ name, madeBy, present: await isThere(join(dir, name)) })),
    ),
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

function subnets(): { ip: Ip4; netmask: Ip4 }[] {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return own.flatMap(({ family, internal, address, netmask }) => {
    const [ip, mask] = family === 'IPv4' && !internal ? [parseIp4(address), parseIp4(netmask)] : []
    return ip && mask ? [{ ip, netmask: mask }] : []
  })
}
