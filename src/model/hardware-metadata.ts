import { Type } from 'typebox'
import { flag, list, text, texts, whole } from './field.ts'

const operatingSystem = (description: string) =>
  Type.Optional(
    Type.Object(
      {
        slug: text('Short name with its version, such as `ubuntu_22_04`.'),
        distro: text('Distribution, such as `ubuntu`.'),
        version: text('Version of the distribution.'),
        image_tag: text('Which build of the image.'),
        os_slug: text('Short name of the image, when it differs from `slug`.'),
      },
      { description },
    ),
  )

const address = Type.Object({
  address: text('The address.'),
  netmask: text('Netmask in dotted decimal, or a prefix length for IPv6.'),
  gateway: text('Router of this network.'),
  family: whole('4 or 6.'),
  public: flag('Whether it is reachable from outside; decides between public-ipv4 and local-ipv4.'),
  management: flag('Whether it is for managing the machine.'),
})

const partition = Type.Object({
  label: text('Name of the partition.'),
  number: whole('Place in the partition table, from 1.'),
  size: whole('Size in sectors of 512 bytes; 0 takes what is left.'),
  start: whole('First sector.'),
  type_guid: text('GPT type.'),
})

const file = Type.Object({
  path: text('Path below the mount point.'),
  contents: text('Text of the file.'),
  mode: whole('Permission bits, as a decimal number.'),
  uid: whole('Owner.'),
  gid: whole('Group.'),
})

const mount = Type.Object(
  {
    device: text('Block device that holds the file system.'),
    format: text('Kind of file system, such as `ext4`.'),
    files: list('Files to write.', file),
    create: Type.Optional(
      Type.Object(
        { force: flag('Make it even where one exists.'), options: texts('Arguments of mkfs.') },
        { description: 'How to make the file system.' },
      ),
    ),
    point: text('Where it is mounted.'),
  },
  { description: 'One file system.' },
)

const storage = Type.Object(
  {
    disks: list(
      'Disks and their partitions.',
      Type.Object({
        device: text('Block device, such as `/dev/sda`.'),
        wipe_table: flag('Whether to remove the partition table first.'),
        partitions: list('Partitions to make.', partition),
      }),
    ),
    raid: list(
      'Software RAID arrays to make.',
      Type.Object({
        name: text('Device name of the array.'),
        level: text('RAID level.'),
        devices: texts('Members.'),
        spare: whole('How many of the members are spares.'),
      }),
    ),
    filesystems: list('File systems to make.', Type.Object({ mount: Type.Optional(mount) })),
  },
  { description: 'Layout of the disks for actions that partition and format.' },
)

const instance = Type.Object(
  {
    id: text(
      'The machine’s id; a Workflow of Cluster API names its agent by it. Default: MAC of the first interface.',
    ),
    state: text('State of the instance.'),
    hostname: text('Host name that the metadata service gives.'),
    allow_pxe: flag('Whether the machine may boot from the network.'),
    rescue: flag('Whether the machine is to boot a rescue system.'),
    operating_system: operatingSystem('What is, or will be, installed.'),
    always_pxe: flag('Whether the machine boots from the network every time.'),
    ipxe_script_url: text('An iPXE script to boot.'),
    ips: list('Addresses that the metadata service tells.', address),
    userdata: text('User data; `spec.userData` counts before it.'),
    crypted_root_password: text('Password of root, as in shadow(5).'),
    tags: texts('Words that the metadata service tells.'),
    storage: Type.Optional(storage),
    ssh_keys: texts('Public keys, as in authorized_keys.'),
    network_ready: flag('Whether the network of the machine is set up.'),
  },
  { description: 'The machine as it sees itself through the metadata service.' },
)

/** Hardware.spec.metadata: what the metadata service tells the machine about itself. */
export const HardwareMetadata = Type.Object(
  {
    state: text('State of the machine.'),
    bonding_mode: whole('Mode of its bonded interfaces, as the Linux bonding driver numbers them.'),
    manufacturer: Type.Optional(
      Type.Object(
        { id: text('Id of the maker.'), slug: text('Short name of the maker.') },
        { description: 'Who made the machine.' },
      ),
    ),
    instance: Type.Optional(instance),
    custom: Type.Optional(
      Type.Object(
        {
          preinstalled_operating_system_version: operatingSystem('What was installed when the machine came.'),
          private_subnets: texts('Networks that are private.'),
        },
        { description: 'What only this site knows.' },
      ),
    ),
    facility: Type.Optional(
      Type.Object(
        {
          plan_slug: text('Kind of machine, such as `c2.medium.x86`.'),
          plan_version_slug: text('Version of that kind.'),
          facility_code: text(
            'Where the machine stands; words with `console=` reach the kernel command line.',
          ),
        },
        { description: 'What the machine is and where.' },
      ),
    ),
  },
  { description: 'What the metadata service tells the machine about itself.' },
)
