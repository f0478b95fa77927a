import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Site } from '../lib/bench.ts'
import { ipOf, macOf, nameOf } from '../lib/csv.ts'
import type { PeerPlan } from '../lib/peer.ts'

/** Other DHCP servers with the same reservations, as light as they can be set: none says what it does. */

export type Reservations = { first: number; count: number }

type Reserved = { name: string; mac: string; ip: string }
const reserved = ({ first, count }: Reservations): Reserved[] =>
  Array.from({ length: count }, (_, at) => first + at).map((at) => ({
    name: nameOf(at),
    mac: macOf(at),
    ip: ipOf(at),
  }))

const listens = ({ address }: Site): PeerPlan['listens'] => ({
  protocol: 'udp',
  place: { ip: address, port: 67 },
})
const leaseSeconds = 86_400

/** ISC Kea with one thread, leases kept in memory and in a file. */
export const kea = (site: Site, reservations: Reservations): PeerPlan => ({
  name: 'Kea',
  listens: listens(site),
  async command(folder) {
    const config = {
      Dhcp4: {
        'interfaces-config': {
          interfaces: [`${site.device}/${site.address}`],
          'dhcp-socket-type': 'udp',
        },
        'lease-database': { type: 'memfile', persist: true, name: join(folder, 'leases.csv') },
        'multi-threading': { 'enable-multi-threading': false },
        'host-reservation-identifiers': ['hw-address'],
        'valid-lifetime': leaseSeconds,
        'next-server': site.address,
        'boot-file-name': 'ipxe.efi',
        'option-data': [
          { name: 'routers', data: site.relay.gateway },
          { name: 'domain-name-servers', data: '8.8.8.8, 1.1.1.1' },
        ],
        subnet4: [
          {
            id: 1,
            subnet: '10.0.0.0/8',
            'reservations-out-of-pool': true,
            reservations: reserved(reservations).map(({ name, mac, ip }) => ({
              hostname: name,
              'hw-address': mac,
              'ip-address': ip,
            })),
          },
        ],
        loggers: [{ name: 'kea-dhcp4', severity: 'ERROR', output_options: [{ output: 'stderr' }] }],
      },
    }
    await writeFile(join(folder, 'kea.json'), JSON.stringify(config))
    const places = { KEA_LOCKFILE_DIR: folder, KEA_PIDFILE_DIR: folder }
    const set = Object.entries(places).map(([name, value]) => `${name}=${value}`)
    return ['env', ...set, 'kea-dhcp4', '-c', join(folder, 'kea.json')]
  },
})

/** ISC dhcpd; for a fixed address it keeps no lease. */
export const dhcpd = (site: Site, reservations: Reservations): PeerPlan => ({
  name: 'dhcpd',
  listens: listens(site),
  async command(folder) {
    const head = [
      `default-lease-time ${leaseSeconds}; max-lease-time ${leaseSeconds}; ddns-update-style none; authoritative;`,
      `option routers ${site.relay.gateway}; option domain-name-servers 8.8.8.8, 1.1.1.1;`,
      `next-server ${site.address}; filename "ipxe.efi";`,
      `subnet ${site.address} netmask 255.255.255.255 {}`,
      'subnet 10.0.0.0 netmask 255.0.0.0 {}',
    ]
    const hosts = reserved(reservations).map(
      ({ name, mac, ip }) => `host ${name} { hardware ethernet ${mac}; fixed-address ${ip}; }`,
    )
    await writeFile(join(folder, 'dhcpd.conf'), [...head, ...hosts, ''].join('\n'))
    await writeFile(join(folder, 'leases'), '')
    const flags = `-d -cf dhcpd.conf -lf leases --no-pid ${site.device}`
    // it says each message, which costs less into nothing than into a log that is not there
    return ['sh', '-c', `dhcpd -t ${flags} && exec dhcpd ${flags} 2>/dev/null`]
  },
})

/** dnsmasq; it looks for a reservation by going through all of them. */
export const dnsmasq = (site: Site, reservations: Reservations): PeerPlan => ({
  name: 'dnsmasq',
  listens: listens(site),
  async command(folder) {
    const hosts = reserved(reservations).map(({ name, mac, ip }) => `${mac},${ip},${name}`)
    await writeFile(join(folder, 'hosts'), [...hosts, ''].join('\n'))
    return [
      'dnsmasq',
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--user=root',
      '--port=0',
      '--pid-file=',
      `--interface=${site.device}`,
      '--dhcp-authoritative',
      '--no-ping',
      '--quiet-dhcp',
      '--log-facility=-',
      `--dhcp-range=10.0.0.0,static,255.0.0.0,${leaseSeconds}`,
      `--dhcp-lease-max=${reservations.count * 2}`,
      `--dhcp-option=option:router,${site.relay.gateway}`,
      '--dhcp-option=option:dns-server,8.8.8.8,1.1.1.1',
      `--dhcp-boot=ipxe.efi,,${site.address}`,
      `--dhcp-hostsfile=${join(folder, 'hosts')}`,
      `--dhcp-leasefile=${join(folder, 'leases')}`,
    ]
  },
})
