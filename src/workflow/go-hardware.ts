import type { Hardware } from '../model/hardware.ts'
import { GoStruct } from '../template/value.ts'
import type { Value } from '../template/value.ts'

/**
 * Tinkerbell's Go types of Hardware (api v1alpha1), by which templates name fields: Go name → [JSON name, type].
 * Types: `string`, `int`, `bool`, `*bool`, `[]string`, another type of this table, or a pointer `*T` or list `[]T` to it.
 */
const goTypes = {
  Interface: {
    Netboot: ['netboot', '*Netboot'],
    Isoboot: ['isoboot', '*Isoboot'],
    DHCP: ['dhcp', '*DHCP'],
    DisableDHCP: ['disableDhcp', 'bool'],
  },
  Netboot: {
    AllowPXE: ['allowPXE', '*bool'],
    AllowWorkflow: ['allowWorkflow', '*bool'],
    IPXE: ['ipxe', '*IPXE'],
    OSIE: ['osie', '*OSIE'],
  },
  Isoboot: { SourceISO: ['sourceISO', 'string'] },
  IPXE: { URL: ['url', 'string'], Contents: ['contents', 'string'], Binary: ['binary', 'string'] },
  OSIE: {
    BaseURL: ['baseURL', 'string'],
    Kernel: ['kernel', 'string'],
    Initrd: ['initrd', 'string'],
    KernelParams: ['kernelParams', '[]string'],
  },
  DHCP: {
    MAC: ['mac', 'string'],
    Hostname: ['hostname', 'string'],
    DomainName: ['domain_name', 'string'],
    LeaseTime: ['lease_time', 'int'],
    NameServers: ['name_servers', '[]string'],
    TimeServers: ['time_servers', '[]string'],
    Arch: ['arch', 'string'],
    UEFI: ['uefi', 'bool'],
    IfaceName: ['iface_name', 'string'],
    IP: ['ip', '*IP'],
    VLANID: ['vlan_id', 'string'],
    ClasslessStaticRoutes: ['classless_static_routes', '[]ClasslessStaticRoute'],
    TFTPServerName: ['tftp_server_name', 'string'],
    BootFileName: ['boot_file_name', 'string'],
  },
  ClasslessStaticRoute: {
    DestinationDescriptor: ['destination_descriptor', 'string'],
    Router: ['router', 'string'],
  },
  IP: {
    Address: ['address', 'string'],
    Netmask: ['netmask', 'string'],
    Gateway: ['gateway', 'string'],
    Family: ['family', 'int'],
  },
  HardwareMetadata: {
    State: ['state', 'string'],
    BondingMode: ['bonding_mode', 'int'],
    Manufacturer: ['manufacturer', '*MetadataManufacturer'],
    Instance: ['instance', '*MetadataInstance'],
    Custom: ['custom', '*MetadataCustom'],
    Facility: ['facility', '*MetadataFacility'],
  },
  MetadataManufacturer: { ID: ['id', 'string'], Slug: ['slug', 'string'] },
  MetadataInstance: {
    ID: ['id', 'string'],
    State: ['state', 'string'],
    Hostname: ['hostname', 'string'],
    AllowPxe: ['allow_pxe', 'bool'],
    Rescue: ['rescue', 'bool'],
    OperatingSystem: ['operating_system', '*OperatingSystem'],
    AlwaysPxe: ['always_pxe', 'bool'],
    IpxeScriptURL: ['ipxe_script_url', 'string'],
    Ips: ['ips', '[]MetadataInstanceIP'],
    Userdata: ['userdata', 'string'],
    CryptedRootPassword: ['crypted_root_password', 'string'],
    Tags: ['tags', '[]string'],
    Storage: ['storage', '*Storage'],
    SSHKeys: ['ssh_keys', '[]string'],
    NetworkReady: ['network_ready', 'bool'],
  },
  OperatingSystem: {
    Slug: ['slug', 'string'],
    Distro: ['distro', 'string'],
    Version: ['version', 'string'],
    ImageTag: ['image_tag', 'string'],
    OsSlug: ['os_slug', 'string'],
  },
  MetadataInstanceIP: {
    Address: ['address', 'string'],
    Netmask: ['netmask', 'string'],
    Gateway: ['gateway', 'string'],
    Family: ['family', 'int'],
    Public: ['public', 'bool'],
    Management: ['management', 'bool'],
  },
  Storage: {
    Disks: ['disks', '[]StorageDisk'],
    Raid: ['raid', '[]StorageRAID'],
    Filesystems: ['filesystems', '[]StorageFilesystem'],
  },
  StorageDisk: {
    Device: ['device', 'string'],
    WipeTable: ['wipe_table', 'bool'],
    Partitions: ['partitions', '[]StorageDiskPartition'],
  },
  StorageDiskPartition: {
    Label: ['label', 'string'],
    Number: ['number', 'int'],
    Size: ['size', 'int'],
    Start: ['start', 'int'],
    TypeGUID: ['type_guid', 'string'],
  },
  StorageRAID: {
    Name: ['name', 'string'],
    Level: ['level', 'string'],
    Devices: ['devices', '[]string'],
    Spare: ['spare', 'int'],
  },
  StorageFilesystem: { Mount: ['mount', '*StorageMount'] },
  StorageMount: {
    Device: ['device', 'string'],
    Format: ['format', 'string'],
    Files: ['files', '[]StorageFile'],
    Create: ['create', '*FilesystemOptions'],
    Point: ['point', 'string'],
  },
  StorageFile: {
    Path: ['path', 'string'],
    Contents: ['contents', 'string'],
    Mode: ['mode', 'int'],
    UID: ['uid', 'int'],
    GID: ['gid', 'int'],
  },
  FilesystemOptions: { Force: ['force', 'bool'], Options: ['options', '[]string'] },
  MetadataCustom: {
    PreinstalledOperatingSystemVersion: ['preinstalled_operating_system_version', '*OperatingSystem'],
    PrivateSubnets: ['private_subnets', '[]string'],
  },
  MetadataFacility: {
    PlanSlug: ['plan_slug', 'string'],
    PlanVersionSlug: ['plan_version_slug', 'string'],
    FacilityCode: ['facility_code', 'string'],
  },
} as const satisfies Record<string, Record<string, readonly [json: string, type: string]>>

const typesByName: ReadonlyMap<string, Record<string, readonly [string, string]>> = new Map(
  Object.entries(goTypes),
)

/** `.Hardware` of a template: Disks (device paths), Interfaces, UserData, Metadata, VendorData; zero values without Hardware. */
export function goHardware(hardware: Hardware | undefined): GoStruct {
  const spec = hardware?.spec ?? {}
  const disks = (spec.disks ?? []).map((disk) => disk.device ?? '')
  const fields: Record<string, Value> = {
    Disks: disks,
    Interfaces: valueOf(spec.interfaces, '[]Interface'),
    UserData: spec.userData ?? '',
    Metadata: valueOf(spec.metadata, 'HardwareMetadata'),
    VendorData: spec.vendorData ?? '',
  }
  const entries = Object.entries(fields).map(([name, value]) => [name, { json: name, value }] as const)
  return new GoStruct('workflow.templateHardwareData', new Map(entries))
}

/** JSON data as a Go type holds it: what is absent is the type's zero value. */
function valueOf(data: unknown, type: string): Value {
  if (type.startsWith('[]'))
    return Array.isArray(data) ? data.map((item) => valueOf(item, type.slice(2))) : []
  if (type.startsWith('*')) return data === undefined || data === null ? null : valueOf(data, type.slice(1))
  if (type === 'string') return typeof data === 'string' ? data : ''
  if (type === 'bool') return data === true
  if (type === 'int') return Number.isSafeInteger(data) ? BigInt(data as number) : 0n
  return structOf(data, type)
}

function structOf(data: unknown, type: string): GoStruct {
  const json = data !== null && typeof data === 'object' ? (data as Readonly<Record<string, unknown>>) : {}
  const fields = Object.entries(typesByName.get(type) ?? {}).map(
    ([name, [key, fieldType]]) => [name, { json: key, value: valueOf(json[key], fieldType) }] as const,
  )
  return new GoStruct(`v1alpha1.${type}`, new Map(fields))
}
