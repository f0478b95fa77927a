import { until } from './spaces.ts'
import type { Bridge, Site } from './spaces.ts'

/**
 * Puts dnsmasq on a bridge of 192.168.77.0/24: the DHCP server that gives the addresses there, 150 to 199, and no boot file.
 * @param kept addresses of their own for these machines
 */
export async function startOtherDhcp(
  site: Site,
  bridge: Bridge,
  kept: readonly { mac: string; ip: string }[] = [],
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
  const range = '--dhcp-range=192.168.77.150,192.168.77.199,10m'
  const hosts = kept.map(({ mac, ip }) => `--dhcp-host=${mac},${ip}`)
  const child = other.start('dnsmasq', '--no-daemon', ...only, range, ...hosts, ...files)
  let said = ''
  child.stderr!.on('data', (text) => (said += String(text)))
  await until(
    () => said.includes('DHCP, sockets bound'),
    () => `dnsmasq is not ready: ${said}`,
  )
}
