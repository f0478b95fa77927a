import type { Hardware } from '../model/hardware.ts'
import { ip4FromNumber, ip4ToNumber, parseIp4, prefixLength } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import { machinesOf } from '../model/machine.ts'
import type { Machine } from '../model/machine.ts'

/** `to` and `addresses` are in CIDR notation; a route without `via` is to a directly attached network. */
export type NetworkRoute = { to: string; via?: Ip4; scope?: 'link'; 'on-link'?: true; metric?: number }

/** How a link gets its addresses; all left out for a link that only carries a VLAN. */
export type NetworkLink = {
  dhcp4?: true
  optional?: true
  addresses?: readonly string[]
  routes?: readonly NetworkRoute[]
  nameservers?: { addresses?: readonly Ip4[]; search?: readonly string[] }
}

export type NetworkEthernet = NetworkLink & { match: { macaddress: Mac } }
export type NetworkVlan = NetworkLink & { id: number; link: string }

/** cloud-init's network configuration, version 2, which is netplan's. */
export type NetworkConfig = {
  version: 2
  ethernets: Record<string, NetworkEthernet>
  vlans?: Record<string, NetworkVlan>
}

/**
 * What the installed system sets on its network cards: the static address of each interface, or DHCP for one without
 * an address and netmask. Cards are told by their MAC alone and keep their names: a rename fails while the card is in
 * use, and a card that is named but missing stops cloud-init.
 */
export function networkConfig(hardware: Hardware): NetworkConfig {
  const nics = machinesOf(hardware).filter(
    (machine, index, all) => all.findIndex(({ mac }) => mac === machine.mac) === index,
  )
  const names = new Set<string>()
  const unused = (wanted: string, ...others: string[]) => {
    const name = [wanted, ...others].find((one) => !names.has(one))!
    names.add(name)
    return name
  }
  const links = linksOf(nics)
  const cards = nics.map((nic, index) => ({
    nic,
    link: links[index]!,
    vlan: vlanIdOf(nic.vlanId),
    name: unused(interfaceName(hardware, nic.mac) ?? `nic${index}`, `nic${index}`, nic.mac),
  }))
  const ethernets = cards.map(({ name, nic, link, vlan }) => {
    const match = { macaddress: nic.mac }
    return [name, vlan === undefined ? { match, ...link } : { match }] as const
  })
  const vlans = cards.flatMap(({ name, link, vlan }, index) =>
    vlan === undefined
      ? []
      : [[unused(`vlan${vlan}`, `vlan${vlan}.${index}`), { id: vlan, link: name, ...link }] as const],
  )
  return {
    version: 2,
    ethernets: Object.fromEntries(ethernets),
    ...(vlans.length > 0 && { vlans: Object.fromEntries(vlans) }),
  }
}

/**
 * The first default route is preferred; the following ones step back behind it. A card that only might get an address
 * does not hold up the boot of a machine that has one elsewhere.
 */
function linksOf(nics: readonly Machine[]): NetworkLink[] {
  const hasStatic = nics.some((nic) => staticAddress(nic) !== undefined)
  let defaults = 0
  return nics.map((nic): NetworkLink => {
    const address = staticAddress(nic)
    if (address === undefined) return { dhcp4: true, ...(hasStatic && { optional: true }) }
    const routes = routesOf(nic, 100 * (defaults + 1))
    if (routes.some(({ to }) => to === everywhere)) defaults += 1
    const { nameServers, domainName } = nic
    const nameservers = {
      ...(nameServers.length > 0 && { addresses: nameServers }),
      ...(domainName && { search: [domainName] }),
    }
    return {
      addresses: [address],
      ...(routes.length > 0 && { routes }),
      ...(Object.keys(nameservers).length > 0 && { nameservers }),
    }
  })
}

const everywhere = '0.0.0.0/0'

function staticAddress({ ip, netmask }: Machine): string | undefined {
  const prefix = netmask && prefixLength(netmask)
  return ip === undefined || prefix === undefined ? undefined : `${ip}/${prefix}`
}

/** The classless routes and, unless they hold a default route, the gateway (as in DHCP: RFC 3442 §3). */
function routesOf(nic: Machine, defaultMetric: number): NetworkRoute[] {
  const classless = nic.routes.flatMap(({ destination, router }) => {
    const to = networkOf(destination)
    return to === undefined ? [] : [{ to, router }]
  })
  const hasDefault = classless.some(({ to }) => to === everywhere)
  const all = nic.gateway && !hasDefault ? [{ to: everywhere, router: nic.gateway }, ...classless] : classless
  return all.map(({ to, router }) => {
    const metric = to === everywhere && defaultMetric > 100 && { metric: defaultMetric }
    if (router === '0.0.0.0') return { to, scope: 'link', ...metric }
    return { to, via: router, ...(!isOnLink(nic, router) && { 'on-link': true }), ...metric }
  })
}

function isOnLink({ ip, netmask }: Machine, router: Ip4): boolean {
  const mask = ip4ToNumber(netmask!)
  return (ip4ToNumber(ip!) & mask) === (ip4ToNumber(router) & mask)
}

/** @returns `destination` with its host bits cleared; `undefined` when it is not `a.b.c.d/0–32` */
function networkOf(destination: string): string | undefined {
  const [, address = '', digits = ''] = /^([0-9.]+)\/([0-9]{1,2})$/.exec(destination.trim()) ?? []
  const ip = parseIp4(address)
  const prefix = Number(digits)
  if (!ip || prefix > 32) return undefined
  const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0
  return `${ip4FromNumber((ip4ToNumber(ip) & mask) >>> 0)}/${prefix}`
}

/** @returns 1–4094; `undefined` is untagged, as are the ids that 802.1Q reserves */
function vlanIdOf(text: string | undefined): number | undefined {
  const id = Number(text ?? '0')
  return Number.isInteger(id) && id >= 1 && id <= 4094 ? id : undefined
}

/** Names that Linux takes for a card and YAML for a key. */
const cardName = /^[A-Za-z][A-Za-z0-9._-]{0,14}$/

function interfaceName(hardware: Hardware, mac: Mac): string | undefined {
  const nics = hardware.spec?.interfaces ?? []
  const name = nics.find(({ dhcp }) => parseMac(dhcp?.mac ?? '') === mac)?.dhcp?.iface_name
  return name !== undefined && cardName.test(name) ? name : undefined
}
