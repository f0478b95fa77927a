import { apiVersionOf } from '../model/kinds.ts'
import type { Hardware, HardwareInterface, HardwareSpec } from '../model/hardware.ts'
import { parseMac } from '../model/mac.ts'
import type { NewObject } from '../model/object.ts'
import type { Row } from './row.ts'

/** Longest lease that is not "for ever" (0xffffffff); what EKS Anywhere writes. */
const leaseSeconds = 4294967294

/** Marks Hardware that an import has written, so that a later file can be asked what it no longer has. */
export const importedAnnotation = 'ironwake.dev/imported'

/** The Hardware of one row, field for field as `eksctl anywhere generate hardware` makes it. */
export function hardwareOf(row: Row): NewObject<HardwareSpec> {
  const address = { address: row.ip, netmask: row.netmask, gateway: row.gateway, family: 4 }
  return {
    apiVersion: apiVersionOf('Hardware'),
    kind: 'Hardware',
    metadata: {
      name: row.hostname,
      namespace: row.namespace,
      labels: row.labels,
      annotations: { [importedAnnotation]: 'csv' },
    },
    spec: {
      ...(row.bmc ? { bmcRef: bmcRefOf(row) } : {}),
      disks: [{ device: row.disk }],
      interfaces: [interfaceOf(row, address)],
      metadata: {
        facility: { facility_code: 'onprem', plan_slug: 'c2.medium.x86' },
        instance: {
          id: row.mac,
          hostname: row.hostname,
          ips: [{ ...address, public: true }],
          operating_system: {},
          allow_pxe: true,
          always_pxe: true,
        },
      },
      ...userFields(row),
    },
  }
}

type Address = { address: string; netmask: string; gateway: string; family: number }

function interfaceOf(row: Row, ip: Address): HardwareInterface {
  return {
    netboot: { allowPXE: true, allowWorkflow: true },
    dhcp: {
      arch: row.arch ?? 'x86_64',
      mac: row.mac,
      hostname: row.hostname,
      name_servers: row.nameservers,
      uefi: row.uefi ?? true,
      lease_time: leaseSeconds,
      ip,
      ...(row.vlanId ? { vlan_id: row.vlanId } : {}),
    },
  }
}

const userFields = ({ userData, vendorData }: Row) => ({
  ...(userData === undefined ? {} : { userData }),
  ...(vendorData === undefined ? {} : { vendorData }),
})

export const bmcRefOf = ({ hostname }: Row) => ({ kind: 'Machine', name: `bmc-${hostname}` })

/**
 * What a row says of a Hardware that exists: the file's own fields are set, all others kept (owner labels, annotations,
 * finalizers, whether it may netboot, lease time, further interfaces and disks, the BMC of a row without BMC fields,
 * the VLAN when the file has no such column). What the metadata repeats of MAC and address follows, unless somebody
 * has set it to something else.
 */
export function merged(stored: Hardware, row: Row): Hardware {
  const spec = stored.spec ?? {}
  const [nic, ...others] = spec.interfaces ?? []
  const [disk, ...disks] = spec.disks ?? []
  const wanted = hardwareOf(row).spec!
  return {
    ...stored,
    metadata: withLabels(stored.metadata, row.labels),
    spec: {
      ...spec,
      ...(row.bmc && !spec.bmcRef ? { bmcRef: bmcRefOf(row) } : {}),
      disks: [{ ...disk, device: row.disk }, ...disks],
      interfaces: [nic ? mergedInterface(nic, row) : wanted.interfaces![0]!, ...others],
      metadata: mergedMetadata(stored, row, wanted),
      ...userFields(row),
    },
  }
}

function withLabels(metadata: Hardware['metadata'], labels: Row['labels']): Hardware['metadata'] {
  if (Object.keys(labels).length === 0) return metadata
  return { ...metadata, labels: { ...metadata.labels, ...labels } }
}

function mergedInterface(nic: HardwareInterface, row: Row): HardwareInterface {
  const { vlan_id, ...dhcp } = nic.dhcp ?? {}
  const vlan = row.vlanId === undefined ? vlan_id : row.vlanId || undefined
  const isSameMac = parseMac(dhcp.mac ?? '') === row.mac
  return {
    ...nic,
    dhcp: {
      ...(nic.dhcp ? dhcp : { hostname: row.hostname, uefi: true, arch: 'x86_64', lease_time: leaseSeconds }),
      ...(isSameMac ? {} : { mac: row.mac }),
      name_servers: row.nameservers,
      ip: {
        ...(dhcp.ip ?? { family: 4 }),
        address: row.ip,
        netmask: row.netmask,
        gateway: row.gateway,
      },
      ...(vlan === undefined ? {} : { vlan_id: vlan }),
      ...(row.arch === undefined ? {} : { arch: row.arch }),
      ...(row.uefi === undefined ? {} : { uefi: row.uefi }),
    },
  }
}

function mergedMetadata(
  { spec }: Hardware,
  row: Row,
  wanted: HardwareSpec,
): NonNullable<HardwareSpec['metadata']> {
  const before = spec?.interfaces?.[0]?.dhcp
  const { metadata } = spec ?? {}
  if (!metadata) return wanted.metadata!
  const { instance } = metadata
  if (!instance) return { ...metadata, instance: wanted.metadata!.instance! }
  const [first, ...others] = instance.ips ?? []
  const wasOurs = first?.address !== undefined && first.address === before?.ip?.address
  const address = { address: row.ip, netmask: row.netmask, gateway: row.gateway }
  return {
    ...metadata,
    instance: {
      ...instance,
      ...(isOneMac(instance.id, before?.mac) ? { id: followed(instance.id, row.mac) } : {}),
      ...(wasOurs ? { ips: [{ ...first, ...address }, ...others] } : {}),
    },
  }
}

/** Whether the id of an instance is nothing, or the MAC that its machine had. */
const isOneMac = (id: string | undefined, mac: string | undefined) =>
  id === undefined || id === '' || (parseMac(id) !== undefined && parseMac(id) === parseMac(mac ?? ''))

const followed = (id: string | undefined, mac: string) => (parseMac(id ?? '') === mac ? id! : mac)
