import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DiskFacts, MachineFacts, NicFacts } from '../model/agent-protocol.ts'
import { linkName, names, printable, text } from './facts/files.ts'

/**
 * What this machine is, read from /proc and /sys. Whatever cannot be read is empty or 0.
 * @param root prefix of `/proc` and `/sys`, '' on a machine
 * @param arch of the process, as Node names it
 */
export async function readFacts(root: string, arch: string): Promise<MachineFacts> {
  const dmi = (name: string) => text(join(root, '/sys/class/dmi/id', name))
  const [firmware, release, memory, cpus, vendor, product, serial, disks, nics] = await Promise.all([
    names(join(root, '/sys/firmware/efi')),
    text(join(root, '/proc/sys/kernel/osrelease')),
    memoryBytes(root, 'MemTotal'),
    text(join(root, '/proc/cpuinfo')),
    dmi('sys_vendor'),
    dmi('product_name'),
    dmi('product_serial'),
    readDisks(root),
    readNics(root),
  ])
  return {
    arch: arch === 'x64' ? 'x86_64' : arch === 'arm64' ? 'aarch64' : arch,
    kernel: release,
    firmware: firmware.length ? 'uefi' : 'bios',
    memoryBytes: memory,
    cpus: cpus.match(/^processor\s*:/gm)?.length ?? 0,
    vendor,
    product,
    serial,
    disks,
    nics,
  }
}

/** A line of /proc/meminfo in bytes; 0 when there is none. */
export async function memoryBytes(root: string, name: 'MemTotal' | 'MemAvailable'): Promise<number> {
  const found = new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(await text(join(root, '/proc/meminfo')))
  return Number(found?.[1] ?? 0) * 1024
}

/** Milliseconds since the kernel started. */
export async function uptimeMs(root: string): Promise<number> {
  return Math.round(Number((await text(join(root, '/proc/uptime'))).split(' ')[0]) * 1000) || 0
}

const notDisks = /^(loop|ram|zram|sr|fd|dm-|md|nbd)/

/** The machine's disks by device name. */
export async function readDisks(root: string): Promise<DiskFacts[]> {
  const found = (await names(join(root, '/sys/block'))).filter((name) => !notDisks.test(name))
  const disks = await Promise.all(found.map((name) => readDisk(root, name)))
  return disks.filter((disk) => disk.bytes > 0)
}

async function readDisk(root: string, name: string): Promise<DiskFacts> {
  const folder = join(root, '/sys/block', name)
  const first = async (...paths: string[]) => {
    for (const path of paths) {
      const found = await text(join(folder, path))
      if (found) return found
    }
    return ''
  }
  return {
    device: `/dev/${name.replaceAll('!', '/')}`,
    bytes: Number(await first('size')) * 512,
    model: await first('device/model'),
    serial: (await first('device/serial', 'serial')) || (await unitSerial(join(folder, 'device/vpd_pg80'))),
    wwn: await first('wwid', 'device/wwid'),
    rotational: (await first('queue/rotational')) === '1',
  }
}

/** SCSI vital product data page 80h: a header of four bytes, then the serial number. */
async function unitSerial(file: string): Promise<string> {
  try {
    return printable((await readFile(file)).subarray(4).toString('latin1'))
  } catch {
    return ''
  }
}

/** The machine's network cards by name: what has a driver. */
export async function readNics(root: string): Promise<NicFacts[]> {
  const folder = join(root, '/sys/class/net')
  const nics: NicFacts[] = []
  for (const name of await names(folder)) {
    const driver = await linkName(join(folder, name, 'device/driver'))
    if (!driver) continue
    const mac = await text(join(folder, name, 'address'))
    nics.push({ name, mac, driver, carrier: (await text(join(folder, name, 'carrier'))) === '1' })
  }
  return nics
}
