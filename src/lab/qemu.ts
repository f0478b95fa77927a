/** `secure-boot`: UEFI that starts signed programs only. `arm64`: UEFI of a 64-bit ARM machine. */
export type Firmware = 'bios' | 'uefi' | 'secure-boot' | 'arm64'

/** How machines are run here: by the processor, or emulated; and why so. */
export type Accelerator = { kind: 'kvm' | 'tcg'; args: readonly string[]; why: string }

/** Firmware images of Debian's and Ubuntu's `ovmf`. */
export const ovmf = {
  code: '/usr/share/OVMF/OVMF_CODE_4M.fd',
  vars: '/usr/share/OVMF/OVMF_VARS_4M.fd',
} as const

type Images = { code: string; vars: string }

/** What EDK2 is loaded from, and its variables when nobody has set any; of Debian's `ovmf` and `qemu-efi-aarch64`. */
export const firmwareImages: Readonly<Record<Exclude<Firmware, 'bios'>, Images>> = {
  uefi: ovmf,
  'secure-boot': { code: '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd', vars: ovmf.vars },
  arm64: { code: '/usr/share/AAVMF/AAVMF_CODE.fd', vars: '/usr/share/AAVMF/AAVMF_VARS.fd' },
}

/** A network card: QEMU's name of its model, and the tap that its cable goes to. */
export type Card = { model: string; mac: string; tap: string }

/** The one serial port that the console is on; on the other there is nothing, or with `ttyS0` whatever is written there. */
export type SerialConsole = { port: 'ttyS0'; otherPath: string } | { port: 'ttyS1'; addressPath: string }

/** I/O address of the second serial port, as SeaBIOS reads it from the file that tells it where to show its screen. */
export const secondSerialAddress = Uint8Array.of(0xf8, 0x02)

export type QemuMachine = {
  name: string
  firmware: Firmware
  accelerator: Accelerator
  memoryMib: number
  cpus: number
  /** in the order in which the firmware tries them */
  cards: readonly Card[]
  /** halted until its monitor says `cont` */
  isHalted?: boolean
  serial: SerialConsole
  diskPath: string
  /** UEFI variables (boot order, BootNext): a file of this machine that outlives a power cycle */
  varsPath: string
  monitorPath: string
  /** further arguments of QEMU, after all others */
  more?: readonly string[]
}

export const qemuProgram = (firmware: Firmware): string =>
  firmware === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64'

/** Arguments of the machine's `qemuProgram`: network first, disk second, console on standard output. */
export function qemuArguments(machine: QemuMachine): string[] {
  const { name, firmware, cards } = machine
  return [
    ['-name', name, '-m', String(machine.memoryMib), '-smp', String(machine.cpus)],
    firmware === 'arm64' ? arm64Emulation : machine.accelerator.args,
    ['-nodefaults', '-no-user-config', '-display', 'none'],
    board(machine),
    machine.isHalted ? ['-S'] : [],
    ['-monitor', `unix:${machine.monitorPath},server=on,wait=off`],
    ['-object', 'rng-random,id=rng,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng'],
    ['-smbios', `type=1,serial=SN-${name},manufacturer=ironwake,product=lab`],
    ['-chardev', 'stdio,id=console,signal=off', ...serialPorts(machine)],
    cards.flatMap((card, index) => cardArguments(firmware, card, index)),
    // The disk may be lost when the host crashes: it is thrown away after the run.
    ['-drive', `if=none,id=disk,format=raw,file=${machine.diskPath},cache=unsafe,discard=unmap`],
    ['-device', `virtio-blk-pci,drive=disk,bootindex=${cards.length + 1},serial=lab-disk`],
    machine.more ?? [],
  ].flat()
}

/** A processor whose emulation is cheaper than that of newer ones, which sign their pointers. */
const arm64Emulation = ['-accel', 'tcg', '-cpu', 'cortex-a57']

/** QEMU's name of a card's cable, for `set_link` of its monitor. */
export const cableOf = (card: number): string => `net${card}`

function cardArguments(firmware: Firmware, { model, mac, tap }: Card, index: number): string[] {
  // With QEMU's EFI ROM the firmware would run iPXE at once; without a ROM its own PXE client does the work.
  const rom = firmware === 'bios' ? '' : ',romfile='
  const cable = cableOf(index)
  return [
    '-netdev',
    `tap,id=${cable},ifname=${tap},script=no,downscript=no`,
    '-device',
    `${model},netdev=${cable},mac=${mac},bootindex=${index + 1}${rom}`,
  ]
}

function serialPorts({ firmware, serial }: QemuMachine): string[] {
  if (serial.port === 'ttyS1') return ['-serial', 'none', '-serial', 'chardev:console']
  return [
    '-serial',
    'chardev:console',
    ...(firmware === 'arm64' ? [] : ['-serial', `file:${serial.otherPath}`]),
  ]
}

function board({ firmware, varsPath, serial }: QemuMachine): string[] {
  // SeaBIOS and option ROMs print on the serial port that it is told, which without graphics is the first.
  if (firmware === 'bios' && serial.port === 'ttyS1')
    return ['-machine', 'pc', '-fw_cfg', `name=etc/sercon-port,file=${serial.addressPath}`]
  if (firmware === 'bios') return ['-machine', 'pc,graphics=off']
  if (firmware === 'uefi') return uefiMachine(varsPath)
  const { code } = firmwareImages[firmware]
  if (firmware === 'arm64') return ['-machine', 'virt', ...flash(code, varsPath)]
  // Only firmware in system management mode may write the variables that say whom it trusts.
  const guarded = ['-global', 'driver=cfi.pflash01,property=secure,value=on']
  return ['-machine', 'q35,smm=on', '-global', 'ICH9-LPC.disable_s3=1', ...guarded, ...flash(code, varsPath)]
}

/** q35 with EDK2. */
export const uefiMachine = (varsPath: string): string[] => ['-machine', 'q35', ...flash(ovmf.code, varsPath)]

const flash = (code: string, varsPath: string): string[] => [
  '-drive',
  `if=pflash,format=raw,readonly=on,file=${code}`,
  '-drive',
  `if=pflash,format=raw,file=${varsPath}`,
]
