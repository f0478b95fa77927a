import { apiVersionOf } from '../model/kinds.ts'
import type { Hardware, HardwareSpec } from '../model/hardware.ts'
import type { NewObject } from '../model/object.ts'
import { columns } from './columns.ts'
import type { Column } from './columns.ts'
import type { Row } from './csv.ts'

/** Longest lease that is not "for ever" (0xffffffff); what EKS Anywhere writes. */
const leaseSeconds = 4294967294

/** The Hardware of one row, field for field as `eksctl anywhere generate hardware` makes it. */
export function hardwareOf(row: Row, namespace: string): NewObject<HardwareSpec> {
  const address = { address: row.ip, netmask: row.netmask, gateway: row.gateway, family: 4 }
  return {
    apiVersion: apiVersionOf('Hardware'),
    kind: 'Hardware',
    metadata: { name: row.hostname, namespace, labels: row.labels },
    spec: {
      ...(row.bmc ? { bmcRef: { kind: 'Machine', name: `bmc-${row.hostname}` } } : {}),
      disks: [{ device: row.disk }],
      interfaces: [
        {
          netboot: { allowPXE: true, allowWorkflow: true },
          dhcp: {
            arch: 'x86_64',
            mac: row.mac,
            hostname: row.hostname,
            name_servers: row.nameservers,
            uefi: true,
            lease_time: leaseSeconds,
            ip: address,
            ...(row.vlanId ? { vlan_id: row.vlanId } : {}),
          },
        },
      ],
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
    },
  }
}

/**
 * What a row says of a Hardware that exists: the file's own fields are set, all others kept (owner labels, annotations,
 * finalizers, user data, whether it may netboot, further interfaces and disks; the BMC of a row without BMC fields, the
 * VLAN when the file has no such column).
 */
export function merged(stored: Hardware, row: Row): Hardware {
  const wanted = hardwareOf(row, stored.metadata.namespace).spec!
  const spec = stored.spec ?? {}
  const [nic, ...others] = spec.interfaces ?? []
  const [disk, ...disks] = spec.disks ?? []
  const { vlan_id, ...dhcp } = nic?.dhcp ?? {}
  const keptVlan = row.vlanId === undefined && vlan_id !== undefined ? { vlan_id } : {}
  const wantedNic = wanted.interfaces![0]!
  return {
    ...stored,
    metadata: { ...stored.metadata, labels: { ...stored.metadata.labels, ...row.labels } },
    spec: {
      ...spec,
      ...(wanted.bmcRef ? { bmcRef: wanted.bmcRef } : {}),
      disks: [{ ...disk, ...wanted.disks![0] }, ...disks],
      interfaces: [
        {
          ...wantedNic,
          ...nic,
          dhcp: {
            ...dhcp,
            ...keptVlan,
            ...wantedNic.dhcp,
            arch: dhcp.arch ?? 'x86_64',
            uefi: dhcp.uefi ?? true,
          },
        },
        ...others,
      ],
      metadata: {
        ...wanted.metadata,
        ...spec.metadata,
        instance: {
          ...wanted.metadata!.instance,
          ...spec.metadata?.instance,
          id: row.mac,
          hostname: row.hostname,
          ips: wanted.metadata!.instance!.ips!,
        },
      },
    },
  }
}

/** Hardware as hardware.csv, header included. BMC fields live in other objects and stay empty. */
export function toCsv(hardware: readonly Hardware[]): string {
  const lines = hardware.map((object) => columns.map((column) => quoted(cellOf(object, column))).join(','))
  return [columns.join(','), ...lines, ''].join('\n')
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

function cellOf({ metadata, spec }: Hardware, column: Column): string {
  const dhcp = spec?.interfaces?.[0]?.dhcp
  const labels = Object.entries(metadata.labels ?? {}).filter(
    ([key]) => !key.startsWith('v1alpha1.tinkerbell.org/'),
  )
  const cells: Partial<Record<Column, string | undefined>> = {
    hostname: metadata.name,
    mac: dhcp?.mac,
    ip_address: dhcp?.ip?.address,
    netmask: dhcp?.ip?.netmask,
    gateway: dhcp?.ip?.gateway,
    nameservers: dhcp?.name_servers?.join('|'),
    labels: labels.map(([key, value]) => `${key}=${value}`).join('|'),
    disk: spec?.disks?.[0]?.device,
    vlan_id: dhcp?.vlan_id,
  }
  return cells[column] ?? ''
}
