import ipaddr from 'ipaddr.js'
import type { Hardware } from '../model/hardware.ts'
import { machinesOf } from '../model/machine.ts'
import type { Machine } from '../model/machine.ts'
import { metaData } from './render.ts'

export type EquinixRequest = {
  machine: Machine
  hardware: Hardware
  /** `http://host:port` that the machine asked, without a slash at the end */
  baseUrl: string
}

/** Where a system says how far it is, of its own accord. */
export const userStatePath = '/events'

/**
 * `/metadata` as Equinix Metal gave it, and beside that what Tinkerbell's `rootio` action reads there
 * (`metadata.instance.storage`). No secrets: neither user data nor passwords.
 */
export function equinixMetadata({ machine, hardware, baseUrl }: EquinixRequest): object {
  const metadata = hardware.spec?.metadata
  const instance = metadata?.instance
  const ec2 = metaData(machine, hardware)
  const storage = {
    disks: instance?.storage?.disks ?? [],
    raid: instance?.storage?.raid ?? [],
    filesystems: instance?.storage?.filesystems ?? [],
  }
  return {
    id: ec2['instance-id'],
    hostname: ec2['hostname'],
    iqn: '',
    operating_system: ec2['operating-system'],
    plan: ec2['plan'],
    class: ec2['plan'],
    reserved: false,
    facility: ec2['facility'],
    tags: instance?.tags ?? [],
    ssh_keys: instance?.ssh_keys ?? [],
    customdata: {},
    storage,
    network: networkOf(machine, hardware),
    private_subnets: metadata?.custom?.private_subnets ?? [],
    volumes: [],
    api_url: baseUrl,
    phone_home_url: `${baseUrl}/phone-home`,
    user_state_url: `${baseUrl}${userStatePath}`,
    metadata: { instance: { storage } },
  }
}

function networkOf(machine: Machine, hardware: Hardware): object {
  const names = new Map((hardware.spec?.interfaces ?? []).map(({ dhcp }) => [dhcp?.mac, dhcp?.iface_name]))
  const interfaces = machinesOf(hardware).map(({ mac }, index) => ({
    name: names.get(mac) ?? `eth${index}`,
    mac,
    bond: null,
  }))
  const { ip: address, netmask, gateway } = machine
  const own = { address, netmask, gateway, family: 4, public: false, management: true }
  const told = hardware.spec?.metadata?.instance?.ips ?? []
  const addresses = told.length > 0 || !address ? told : [own]
  return {
    bonding: { mode: hardware.spec?.metadata?.bonding_mode ?? 0 },
    interfaces,
    addresses: addresses.map(addressOf),
  }
}

type Told = {
  address?: string | undefined
  netmask?: string | undefined
  gateway?: string | undefined
  family?: number | undefined
  public?: boolean
  management?: boolean
}

function addressOf(ip: Told): object {
  const address = ip.address ?? ''
  const cidr = prefixOf(ip.netmask ?? '')
  const network = cidr === undefined ? undefined : networkAddress(address, cidr)
  const block = { netmask: ip.netmask ?? '', cidr, network }
  return {
    id: address,
    address_family: ip.family === 6 ? 6 : 4,
    ...block,
    public: ip.public === true,
    management: ip.management === true,
    enabled: true,
    address,
    gateway: ip.gateway ?? '',
    parent_block: { ...block, href: '' },
  }
}

/** @param netmask dotted decimal, IPv6's notation, or the number itself */
function prefixOf(netmask: string): number | undefined {
  if (/^\d{1,3}$/.test(netmask)) return Number(netmask)
  if (!ipaddr.isValid(netmask)) return undefined
  return ipaddr.parse(netmask).prefixLengthFromSubnetMask() ?? undefined
}

function networkAddress(address: string, prefix: number): string | undefined {
  const cidr = `${address}/${prefix}`
  if (!ipaddr.isValidCIDR(cidr)) return undefined
  const kind = ipaddr.parse(address).kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6
  return kind.networkAddressFromCIDR(cidr).toString()
}
