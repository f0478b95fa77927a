import { until } from '../interop/spaces.ts'
import type { Bridge, Site } from '../interop/spaces.ts'

/** Puts dnsmasq on a bridge of 192.168.77.0/24: the DHCP server that keeps an address for each of these machines. */
export async function startReservations(
  site: Site,
  bridge: Bridge,
  machines: readonly { mac: string; ip: string }[],
): Promise<void> {
  const other = await site.space()
  await site.plug(other, 'eth0', bridge, { address: '192.168.77.2/24' })
  const only = ['--port=0', '--interface=eth0', '--bind-interfaces', '--dhcp-authoritative', '--no-ping']
  const files = [
    `--dhcp-leasefile=${site.folder}/leases`,
    '--pid-file=',
    '--conf-file=/dev/null',
    '--user=root',
  ]
  const kept = machines.map(({ mac, ip }) => `--dhcp-host=${mac},${ip}`)
  const child = other.start(
    'dnsmasq',
    '--no-daemon',
    ...only,
    '--dhcp-range=192.168.77.0,static',
    ...kept,
    ...files,
  )
  let said = ''
  child.stderr!.on('data', (text) => (said += String(text)))
  await until(
    () => said.includes('DHCP, sockets bound'),
    () => `dnsmasq is not ready: ${said}`,
  )
}
