export type Firmware = 'bios' | 'uefi'

/** How machines are run here: by the processor, or emulated; and why so. */
export type Accelerator = { kind: 'kvm' | 'tcg'; args: readonly string[]; why: string }

/** Firmware images of Debian's and Ubuntu's `ovmf`. */
export const ovmf = {
  code: '/usr/share/OVMF/OVMF_CODE_4M.fd',
  vars: '/usr/share/OVMF/OVMF_VARS_4M.fd',
} as const

export type QemuMachine = {
  name: string
  firmware: Firmware
  mac: string
  accelerator: Accelerator
  memoryMib: number
  cpus: number
  /** QEMU's name of the network card */
  nic: string
  tap: string
  diskPath: string
  /** UEFI variables (boot order, BootNext): a file of this machine that outlives a power cycle */
  varsPath: string
  monitorPath: string
  secondSerialPath: string
  /** further arguments of QEMU, after all others */
  more?: readonly string[]
}

/** Arguments of qemu-system-x86_64: network first, disk second, console on standard output. */
export function qemuArguments(machine: QemuMachine): string[] {
  const { name, mac, firmware } = machine
  // With QEMU's EFI ROM the firmware would run iPXE at once; without a ROM its own PXE client does the work.
  const rom = firmware === 'uefi' ? ',romfile=' : ''
  return [
    ['-name', name, '-m', String(machine.memoryMib), '-smp', String(machine.cpus)],
    machine.accelerator.args,
    ['-nodefaults', '-no-user-config', '-display', 'none'],
    // Without graphics SeaBIOS and option ROMs print on the serial port.
    firmware === 'uefi' ? uefiMachine(machine.varsPath) : ['-machine', 'pc,graphics=off'],
    ['-monitor', `unix:${machine.monitorPath},server=on,wait=off`],
    ['-object', 'rng-random,id=rng,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng'],
    ['-smbios', `type=1,serial=SN-${name},manufacturer=ironwake,product=lab`],
    ['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ['-serial', `file:${machine.secondSerialPath}`],
    ['-netdev', `tap,id=net,ifname=${machine.tap},script=no,downscript=no`],
    ['-device', `${machine.nic},netdev=net,mac=${mac},bootindex=1${rom}`],
    // The disk may be lost when the host crashes: it is thrown away after the run.
    ['-drive', `if=none,id=disk,format=raw,file=${machine.diskPath},cache=unsafe,discard=unmap`],
    ['-device', 'virtio-blk-pci,drive=disk,bootindex=2,serial=lab-disk'],
    machine.more ?? [],
  ].flat()
}

/** q35 with EDK2. */
export const uefiMachine = (varsPath: string): string[] => [
  '-machine',
  'q35',
  '-drive',
  `if=pflash,format=raw,readonly=on,file=${ovmf.code}`,
  '-drive',
  `if=pflash,format=raw,file=${varsPath}`,
]
