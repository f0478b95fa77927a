import { Type } from 'typebox'
import type { Static } from 'typebox'
import { flag, list, map, required, text, texts, whole } from './field.ts'
import { HardwareMetadata } from './hardware-metadata.ts'
import type { KubeObject } from './object.ts'

/** interfaces[].dhcp.ip: dotted decimal; `family` 4 or 6 */
export const IpAddress = Type.Object(
  {
    address: text('Address that DHCP gives.'),
    netmask: text('Netmask in dotted decimal.'),
    gateway: text('Default router.'),
    family: whole('4 or 6.'),
  },
  { description: 'Address of the interface. Without it the interface gets no address from this server.' },
)

/** interfaces[].dhcp: `lease_time` seconds; `vlan_id` is text, 0–4096; `mac` lower case with colons */
export const DhcpSettings = Type.Object(
  {
    mac: text('MAC address, lower case with colons. The machine is recognised by it.', {
      pattern: '^([0-9a-f]{2}:){5}([0-9a-f]{2})$',
    }),
    hostname: text('Host name (option 12).'),
    domain_name: text('DNS domain (options 15 and 119).'),
    lease_time: whole('Lease in seconds (option 51); absent or 0: one day.', {
      minimum: 0,
      maximum: 4294967295,
    }),
    name_servers: texts('DNS servers (option 6).'),
    time_servers: texts('NTP servers (option 42).'),
    arch: text('`x86_64` or `aarch64`: which kernel and initramfs the machine boots. Default x86_64.'),
    uefi: flag('Whether the firmware is UEFI.'),
    iface_name: text('Name of the interface in the installed system.'),
    ip: Type.Optional(IpAddress),
    vlan_id: text('VLAN that the machine boots in, 0 to 4096.', {
      pattern: '^([0-9]|[1-9][0-9]{1,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])$',
    }),
    classless_static_routes: list(
      'Routes (option 121).',
      Type.Object({
        destination_descriptor: required.text('Destination network in CIDR notation.'),
        router: required.text('Router to it.'),
      }),
    ),
    tftp_server_name: text('TFTP server (option 66), with `boot_file_name` instead of the usual boot file.'),
    boot_file_name: text('Boot file (option 67), with `tftp_server_name` instead of the usual one.'),
  },
  { description: 'What DHCP answers on this interface. Without it the interface gets no answer.' },
)

const ipxe = Type.Object(
  {
    url: text('URL of an iPXE script to run instead of the usual one.'),
    contents: text('iPXE script to run instead of the usual one.'),
    binary: text('File name of the iPXE binary to load.'),
  },
  { description: 'Another iPXE script or binary.' },
)

const osie = Type.Object(
  {
    baseURL: text('URL of the folder with kernel and initramfs.'),
    kernel: text('File name of the kernel.'),
    initrd: text('File name of the initramfs.'),
    kernelParams: texts('Words added to the kernel command line.'),
  },
  { description: 'Another netboot operating system.' },
)

const rpi = Type.Object(
  {
    serialNum: required.text('Serial number of the board.'),
    firmwarePath: text('Folder of its firmware.'),
    configTxt: text('Text of config.txt.'),
  },
  { description: 'Boot files of a Raspberry Pi.' },
)

export const NetbootSettings = Type.Object(
  {
    allowPXE: flag('Whether the machine may boot from the network. A Workflow may switch it on and off.'),
    allowWorkflow: flag('Whether Workflows may run on the machine. Kept, not used.'),
    ipxe: Type.Optional(ipxe),
    osie: Type.Optional(osie),
    pxelinux: Type.Optional(
      Type.Object({ config: text('Text of the configuration.') }, { description: 'PXELINUX configuration.' }),
    ),
    rpi: Type.Optional(rpi),
  },
  { description: 'How the machine boots from the network.' },
)

export const HardwareInterface = Type.Object({
  disableDhcp: flag('Leave DHCP on this interface to others.'),
  isoboot: Type.Optional(
    Type.Object(
      { sourceISO: text('URL of the ISO image to boot instead of the usual one.') },
      { description: 'Booting from a virtual CD.' },
    ),
  ),
  netboot: Type.Optional(NetbootSettings),
  dhcp: Type.Optional(DhcpSettings),
})

const bmcRef = Type.Object(
  {
    apiGroup: text('`bmc.tinkerbell.org`.'),
    kind: required.text('`Machine`.'),
    name: required.text('Name of the Machine, in the same namespace.'),
  },
  { description: 'The BMC that switches the machine on and off.' },
)

const reference = Type.Object({
  namespace: text('Namespace of the object.'),
  name: text('Name of the object.'),
  group: text('API group of the object.'),
  version: text('API version of the object.'),
  resource: text('Plural resource name of the object.'),
})

/** Hardware.spec (tinkerbell.org/v1alpha1): one machine. `userData` holds join secrets: never log it. */
export const HardwareSpec = Type.Object(
  {
    agentID: text('What the agent on the machine calls itself. Default: the MAC that it booted from.'),
    auto: Type.Optional(
      Type.Object(
        { enrollmentEnabled: flag('Whether rule sets may give the machine a Workflow.') },
        { description: 'What may happen without anybody asking.' },
      ),
    ),
    bmcRef: Type.Optional(bmcRef),
    interfaces: list('Network interfaces; the first is the one that Cluster API knows.', HardwareInterface),
    references: map('Other objects that a Template may read, each under a name of its own.', reference),
    metadata: Type.Optional(HardwareMetadata),
    tinkVersion: whole('Version of this specification.'),
    disks: list(
      'Disks to install to; the first is the one that Templates write.',
      Type.Object({ device: text('Block device, such as `/dev/sda`.') }),
    ),
    resources: map(
      'What the machine has, such as `cpu` and `memory`, as Kubernetes quantities.',
      Type.Union([Type.String(), Type.Number()]),
    ),
    userData: text(
      'User data for cloud-init, served to the machine while it is owned. It may hold secrets.',
      {
        writeOnly: true,
      },
    ),
    vendorData: text('Vendor data for cloud-init.'),
  },
  { description: 'The machine as it should be.' },
)

/** Hardware.status: `attributes.outOfBand` is the inventory a BMC reports. */
export const HardwareStatus = Type.Object(
  {
    state: text('`Ready` or `Error`.'),
    attributes: Type.Optional(
      Type.Object(
        {
          outOfBand: Type.Optional(
            Type.Record(Type.String(), Type.Unknown(), { description: 'What the BMC says it consists of.' }),
          ),
        },
        { description: 'What the machine was found to have.' },
      ),
    ),
  },
  { description: 'The machine as it was found.' },
)

export type HardwareSpec = Static<typeof HardwareSpec>
export type HardwareInterface = Static<typeof HardwareInterface>
export type HardwareStatus = Static<typeof HardwareStatus>
export type Hardware = KubeObject<HardwareSpec, HardwareStatus>

/** Owner labels of Cluster API Provider Tinkerbell. A Hardware with a non-empty owner name is claimed. */
export const ownerNameLabel = 'v1alpha1.tinkerbell.org/ownerName'
export const ownerNamespaceLabel = 'v1alpha1.tinkerbell.org/ownerNamespace'

/** Holds the SHA-256, in hexadecimal, of the userData that a Hardware had when its owner released it. */
export const releasedAnnotation = 'ironwake.dev/released-userdata-sha256'
