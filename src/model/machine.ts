import type { Hardware, HardwareInterface } from './hardware.ts'
import { parseIp4 } from './ip4.ts'
import type { Ip4 } from './ip4.ts'
import { parseMac } from './mac.ts'
import type { Mac } from './mac.ts'

/**
 * One network interface of one Hardware, as the boot services see it: parsed, with defaults in place.
 * DHCP, boot and metadata decide on this and never read a Hardware's JSON themselves.
 */
export type Machine = {
  namespace: string
  /** Hardware name */
  name: string
  mac: Mac
  /** every MAC of the Hardware, this one included */
  macs: readonly Mac[]
  /** `dhcp` is missing or switched off for this interface: the machine gets no address from us */
  dhcpDisabled: boolean
  ip: Ip4 | undefined
  netmask: Ip4 | undefined
  gateway: Ip4 | undefined
  hostname: string | undefined
  domainName: string | undefined
  nameServers: readonly Ip4[]
  timeServers: readonly Ip4[]
  routes: readonly { destination: string; router: Ip4 }[]
  leaseSeconds: number
  /** `x86_64`, `aarch64`, as in the names of kernel and initramfs */
  arch: string
  uefi: boolean
  vlanId: string | undefined
  tftpServerName: string | undefined
  bootFileName: string | undefined
  allowPxe: boolean
  /** `netboot` is missing, so that booting is neither allowed nor forbidden: a machine that was only discovered */
  netbootUnset?: boolean
  ipxe: { url: string | undefined; contents: string | undefined; binary: string | undefined }
  osie: {
    baseUrl: string | undefined
    kernel: string | undefined
    initrd: string | undefined
    kernelParams: readonly string[]
  }
  /** text of its PXELINUX configuration */
  pxelinuxConfig?: string | undefined
  /** what a Raspberry Pi looks for in the folder of its serial number */
  rpi?: { serialNum: string; firmwarePath?: string; configTxt?: string } | undefined
  /** URL of the ISO image that the machine boots instead of the site's */
  isoSource: string | undefined
  /**
   * Equinix Metal's way to boot a script: once, or every time; `isActive`: the machine has been through its first.
   * `scriptText`: user data that is a script, of an instance whose operating system is `custom_ipxe`
   */
  instance: {
    scriptUrl: string | undefined
    scriptText?: string | undefined
    alwaysPxe: boolean
    isActive: boolean
  }
  facilityCode: string | undefined
  /** what the agent calls itself: spec.agentID, else the MAC that it booted from */
  agentId: string
}

/** Lease of a reservation without `lease_time`: one day. */
export const defaultLeaseSeconds = 86_400

/** Spellings of architectures in Hardware that name the same netboot OS. */
const archNames: Readonly<Record<string, string>> = { arm64: 'aarch64', amd64: 'x86_64', x64: 'x86_64' }

/** All interfaces of `hardware` that have a parsable MAC. */
export function machinesOf(hardware: Hardware): Machine[] {
  const interfaces = hardware.spec?.interfaces ?? []
  const found = interfaces.flatMap((nic) => {
    const mac = parseMac(nic.dhcp?.mac ?? '')
    return mac ? [{ mac, nic }] : []
  })
  const macs = found.map(({ mac }) => mac)
  return found.map(({ mac, nic }) => toMachine(hardware, mac, macs, nic))
}

function toMachine(hardware: Hardware, mac: Mac, macs: readonly Mac[], nic: HardwareInterface): Machine {
  const dhcp = nic.dhcp ?? {}
  const osie = nic.netboot?.osie
  const instance = hardware.spec?.metadata?.instance
  const address = (text: string | undefined) => parseIp4(text ?? '')
  const addresses = (texts: readonly string[] | undefined) =>
    (texts ?? []).flatMap((text) => address(text) ?? [])
  const arch = dhcp.arch ?? 'x86_64'
  return {
    namespace: hardware.metadata.namespace,
    name: hardware.metadata.name,
    mac,
    macs,
    dhcpDisabled: nic.disableDhcp === true,
    ip: address(dhcp.ip?.address),
    netmask: address(dhcp.ip?.netmask),
    gateway: address(dhcp.ip?.gateway),
    hostname: dhcp.hostname,
    domainName: dhcp.domain_name,
    nameServers: addresses(dhcp.name_servers),
    timeServers: addresses(dhcp.time_servers),
    routes: (dhcp.classless_static_routes ?? []).flatMap((route) => {
      const router = address(route.router)
      return router ? [{ destination: route.destination_descriptor, router }] : []
    }),
    leaseSeconds: dhcp.lease_time || defaultLeaseSeconds,
    arch: archNames[arch] ?? arch,
    uefi: dhcp.uefi === true,
    vlanId: dhcp.vlan_id,
    tftpServerName: dhcp.tftp_server_name,
    bootFileName: dhcp.boot_file_name,
    allowPxe: nic.netboot?.allowPXE === true,
    ...(nic.netboot === undefined && { netbootUnset: true }),
    ipxe: {
      url: nic.netboot?.ipxe?.url,
      contents: nic.netboot?.ipxe?.contents,
      binary: nic.netboot?.ipxe?.binary,
    },
    osie: {
      baseUrl: osie?.baseURL,
      kernel: osie?.kernel,
      initrd: osie?.initrd,
      kernelParams: osie?.kernelParams ?? [],
    },
    ...(nic.netboot?.pxelinux && { pxelinuxConfig: nic.netboot.pxelinux.config }),
    ...(nic.netboot?.rpi && { rpi: nic.netboot.rpi }),
    isoSource: nic.isoboot?.sourceISO,
    instance: {
      scriptUrl: instance?.ipxe_script_url,
      ...scriptTextOf(hardware),
      alwaysPxe: instance?.always_pxe === true,
      isActive: instance?.state === 'active',
    },
    facilityCode: hardware.spec?.metadata?.facility?.facility_code,
    agentId: hardware.spec?.agentID ?? mac,
  }
}

function scriptTextOf({ spec }: Hardware): { scriptText?: string } {
  const instance = spec?.metadata?.instance
  const { slug, os_slug: osSlug } = instance?.operating_system ?? {}
  if (slug !== 'custom_ipxe' && osSlug !== 'custom_ipxe') return {}
  const text = spec?.userData ?? instance?.userdata ?? ''
  return /^#!ipxe\s/.test(text) ? { scriptText: text } : {}
}
