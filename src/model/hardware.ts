import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { KubeObject } from './object.ts'

const text = Type.Optional(Type.String())
const flag = Type.Optional(Type.Boolean())
const whole = Type.Optional(Type.Integer())
const texts = Type.Optional(Type.Array(Type.String()))
const list = <T extends Parameters<typeof Type.Array>[0]>(item: T) => Type.Optional(Type.Array(item))
const map = <T extends Parameters<typeof Type.Array>[0]>(value: T) =>
  Type.Optional(Type.Record(Type.String(), value))

/** interfaces[].dhcp.ip: dotted decimal; `family` 4 or 6 */
export const IpAddress = Type.Object({ address: text, netmask: text, gateway: text, family: whole })

/** interfaces[].dhcp: `lease_time` seconds; `vlan_id` is text, 0–4096; `mac` lower case with colons */
export const DhcpSettings = Type.Object({
  mac: Type.Optional(Type.String({ pattern: '^([0-9a-f]{2}:){5}([0-9a-f]{2})$' })),
  hostname: text,
  domain_name: text,
  lease_time: Type.Optional(Type.Integer({ minimum: 0, maximum: 4294967295 })),
  name_servers: texts,
  time_servers: texts,
  arch: text,
  uefi: flag,
  iface_name: text,
  ip: Type.Optional(IpAddress),
  vlan_id: Type.Optional(
    Type.String({ pattern: '^([0-9]|[1-9][0-9]{1,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])$' }),
  ),
  classless_static_routes: list(
    Type.Object({ destination_descriptor: Type.String(), router: Type.String() }),
  ),
  tftp_server_name: text,
  boot_file_name: text,
})

export const NetbootSettings = Type.Object({
  allowPXE: flag,
  allowWorkflow: flag,
  ipxe: Type.Optional(Type.Object({ url: text, contents: text, binary: text })),
  osie: Type.Optional(Type.Object({ baseURL: text, kernel: text, initrd: text, kernelParams: texts })),
  pxelinux: Type.Optional(Type.Object({ config: text })),
  rpi: Type.Optional(Type.Object({ serialNum: Type.String(), firmwarePath: text, configTxt: text })),
})

export const HardwareInterface = Type.Object({
  disableDhcp: flag,
  isoboot: Type.Optional(Type.Object({ sourceISO: text })),
  netboot: Type.Optional(NetbootSettings),
  dhcp: Type.Optional(DhcpSettings),
})

const instanceIp = Type.Object({
  address: text,
  netmask: text,
  gateway: text,
  family: whole,
  public: flag,
  management: flag,
})

const storage = Type.Object({
  disks: list(
    Type.Object({
      device: text,
      wipe_table: flag,
      partitions: list(
        Type.Object({ label: text, number: whole, size: whole, start: whole, type_guid: text }),
      ),
    }),
  ),
  raid: list(Type.Object({ name: text, level: text, devices: texts, spare: whole })),
  filesystems: list(
    Type.Object({
      mount: Type.Optional(
        Type.Object({
          device: text,
          format: text,
          files: list(Type.Object({ path: text, contents: text, mode: whole, uid: whole, gid: whole })),
          create: Type.Optional(Type.Object({ force: flag, options: texts })),
          point: text,
        }),
      ),
    }),
  ),
})

export const HardwareMetadata = Type.Object({
  state: text,
  bonding_mode: whole,
  manufacturer: Type.Optional(Type.Object({ id: text, slug: text })),
  instance: Type.Optional(
    Type.Object({
      id: text,
      state: text,
      hostname: text,
      allow_pxe: flag,
      rescue: flag,
      operating_system: Type.Optional(
        Type.Object({ slug: text, distro: text, version: text, image_tag: text, os_slug: text }),
      ),
      always_pxe: flag,
      ipxe_script_url: text,
      ips: list(instanceIp),
      userdata: text,
      crypted_root_password: text,
      tags: texts,
      storage: Type.Optional(storage),
      ssh_keys: texts,
      network_ready: flag,
    }),
  ),
  custom: Type.Optional(
    Type.Object({
      preinstalled_operating_system_version: Type.Optional(
        Type.Object({ slug: text, distro: text, version: text, image_tag: text, os_slug: text }),
      ),
      private_subnets: texts,
    }),
  ),
  facility: Type.Optional(Type.Object({ plan_slug: text, plan_version_slug: text, facility_code: text })),
})

/** Hardware.spec (tinkerbell.org/v1alpha1): one machine. `userData` holds join secrets: never log it. */
export const HardwareSpec = Type.Object({
  agentID: text,
  auto: Type.Optional(Type.Object({ enrollmentEnabled: flag })),
  bmcRef: Type.Optional(Type.Object({ apiGroup: text, kind: Type.String(), name: Type.String() })),
  interfaces: list(HardwareInterface),
  references: map(Type.Object({ namespace: text, name: text, group: text, version: text, resource: text })),
  metadata: Type.Optional(HardwareMetadata),
  tinkVersion: whole,
  disks: list(Type.Object({ device: text })),
  resources: map(Type.Union([Type.String(), Type.Number()])),
  userData: text,
  vendorData: text,
})

/** Hardware.status: `attributes.outOfBand` is the inventory a BMC reports. */
export const HardwareStatus = Type.Object({
  state: text,
  attributes: Type.Optional(Type.Object({ outOfBand: Type.Optional(Type.Unknown()) })),
})

export type HardwareSpec = Static<typeof HardwareSpec>
export type HardwareInterface = Static<typeof HardwareInterface>
export type HardwareStatus = Static<typeof HardwareStatus>
export type Hardware = KubeObject<HardwareSpec, HardwareStatus>

/** Owner labels of Cluster API Provider Tinkerbell. A Hardware with a non-empty owner name is claimed. */
export const ownerNameLabel = 'v1alpha1.tinkerbell.org/ownerName'
export const ownerNamespaceLabel = 'v1alpha1.tinkerbell.org/ownerNamespace'
