import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { sizeText } from '../../model/agent-attributes.ts'
import type { BlockDevice } from '../../model/agent-attributes.ts'
import type { DiskFacts } from '../../model/agent-protocol.ts'
import { text } from './files.ts'

/**
 * A disk in the words of Tinkerbell's agent.
 * @param root prefix of `/sys`
 */
export async function readBlockDevice(root: string, disk: DiskFacts): Promise<BlockDevice> {
  const name = disk.device.slice('/dev/'.length)
  const folder = join(root, '/sys/block', name.replaceAll('/', '!'))
  const physical = Number(await text(join(folder, 'queue/physical_block_size')))
  return {
    name,
    controllerType: controllerOf(name, await deviceOf(folder)),
    driveType: disk.rotational ? 'HDD' : 'SSD',
    size: sizeText(disk.bytes),
    ...(physical > 0 && { physicalBlockSize: sizeText(physical) }),
    vendor: await text(join(folder, 'device/vendor')),
    model: disk.model,
    wwn: disk.wwn,
    serialNumber: disk.serial,
  }
}

/** Where the device hangs, as a path of buses. */
async function deviceOf(folder: string): Promise<string> {
  try {
    return await realpath(join(folder, 'device'))
  } catch {
    return ''
  }
}

function controllerOf(name: string, device: string): string {
  if (name.startsWith('nvme')) return 'NVMe'
  if (name.startsWith('vd')) return 'virtio'
  if (name.startsWith('mmcblk')) return 'MMC'
  if (name.startsWith('hd') || /\/ata\d+\//.test(device)) return 'IDE'
  return name.startsWith('sd') ? 'SCSI' : 'Unknown'
}
