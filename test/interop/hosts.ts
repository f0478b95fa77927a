import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from './spaces.ts'
import type { Bridge, Site, Space } from './spaces.ts'

/** A machine with one interface, `eth0`, that has no address yet. */
export type Host = {
  space: Space
  mac: string
  /** its reservation */
  ip: string
  /** for lease files and the like */
  folder: string
  /** what a client runs on its events: it sets the address and writes them down */
  hook: string
  /** what clients have told, oldest first */
  events(): Promise<readonly Event[]>
  /** Waits for an event of this name past the first `after` ones. */
  waitFor(event: string, after?: number): Promise<Event>
}

/** What a client tells of its lease; empty where it tells nothing. `event` is the client's word for it, in lower case. */
export type Event = {
  event: string
  ip: string
  router: string
  hostname: string
  /** seconds */
  lease: string
  server: string
  siaddr: string
  file: string
}

/**
 * One hook for three clients: dhclient and dhcpcd set `reason` and `new_…`, udhcpc gives its first argument and sets
 * names of its own. dhcpcd, which alone sets `if_configured`, sets addresses itself. With `checksArp` it looks for another
 * host that has the address, and fails when there is one; dhclient declines then.
 */
const hookText = (events: string, checksArp: boolean) => `#!/bin/sh
event=$(echo "\${reason:-$1}" | tr A-Z a-z)
address=\${new_ip_address:-$ip}
gateway=\${new_routers:-$router}
case "$event" in
bound | renew | rebind | reboot)
  ${checksArp ? 'busybox arping -q -D -c 1 -w 1 -I "$interface" "$address" || exit 1' : ''}
  if [ -z "$if_configured" ]; then
    ip -4 addr replace "$address/24" dev "$interface"
    ip route replace default via "$gateway"
  fi ;;
deconfig | preinit | expire | fail | stop | release | leasefail | nak)
  [ -n "$if_configured" ] || ip -4 addr flush dev "$interface" ;;
esac
printf '{"event":"%s","ip":"%s","router":"%s","hostname":"%s","lease":"%s","server":"%s","siaddr":"%s","file":"%s"}\\n' \\
  "$event" "$address" "$gateway" "\${new_host_name:-$hostname}" "\${new_dhcp_lease_time:-$lease}" \\
  "\${new_dhcp_server_identifier:-$serverid}" "$siaddr" "$boot_file" >>'${events}'
`

/**
 * Puts a machine on `bridge`.
 * @param mac made from the address when left out
 * @param checksArp whether its hook does
 */
export async function addHost(
  site: Site,
  bridge: Bridge,
  ip: string,
  { mac = macOf(ip), checksArp = false }: { mac?: string; checksArp?: boolean } = {},
): Promise<Host> {
  const space = await site.space()
  await site.plug(space, 'eth0', bridge, { mac })
  return asHost(site, space, { mac, ip, checksArp })
}

/** Makes a machine of a namespace that has its `eth0` already. */
export async function asHost(
  site: Site,
  space: Space,
  { mac, ip, checksArp = false }: { mac: string; ip: string; checksArp?: boolean },
): Promise<Host> {
  const folder = join(site.folder, space.name)
  await mkdir(folder)
  const [hook, log] = [join(folder, 'hook'), join(folder, 'events')]
  await writeFile(log, '')
  await writeFile(hook, hookText(log, checksArp))
  await chmod(hook, 0o755)
  const events = async () =>
    (await readFile(log, 'utf8'))
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Event)
  return {
    space,
    mac,
    ip,
    folder,
    hook,
    events,
    async waitFor(event, after = 0) {
      let told: readonly Event[] = []
      return until(
        async () => {
          told = (await events()).slice(after)
          return told.find((one) => one.event === event)
        },
        () => `${mac}: no ${event}, but ${told.map((one) => one.event).join(', ') || 'nothing'}`,
      )
    },
  }
}

/** A MAC for the machine with this address. */
export const macOf = (ip: string): string => {
  const parts = ip.split('.').slice(1)
  return ['52', '54', '00', ...parts.map((part) => Number(part).toString(16).padStart(2, '0'))].join(':')
}
