import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Device } from '../image/device.ts'
import { readJson } from '../oci/manifest.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'
import { announce } from './disk-image.ts'
import { needed } from './environment.ts'
import { formatCommand, partitionScript, readLayout } from './layout.ts'
import type { DiskLayout, FileSystem, Layout } from './layout.ts'
import { readMetadata } from './metadata.ts'

type Step = (layout: Layout, run: ActionRun, machine: Machine) => Promise<string>

const steps: Readonly<Record<string, Step>> = { partition, format, mount, wipe }

/**
 * Lays out disks as the machine's metadata says. The command is partition, format, mount or wipe; environment as in
 * Tinkerbell's rootio: MIRROR_HOST and METADATA_SERVICE_PORT (50061) of the metadata service, MBR (any text: no GPT),
 * and with TEST (any text) the metadata is in the file JSON_FILE. All that is named is looked at before anything is
 * written, and the first fault ends the action.
 */
export async function rootio(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const [word = ''] = run.command
  const step = Object.hasOwn(steps, word) ? steps[word] : undefined
  if (!step)
    throw new Error(
      `the command is "${run.command.join(' ')}": one of ${Object.keys(steps).join(', ')} expected`,
    )
  return { message: await step(readLayout(await metadataOf(run, machine)), run, machine) }
}

async function metadataOf({ environment, signal }: ActionRun, machine: Machine): Promise<unknown> {
  if (environment['TEST']) {
    const file = needed(environment, 'JSON_FILE', 'a file with metadata')
    return readJson(await readFile(file), file)
  }
  const host = needed(environment, 'MIRROR_HOST', 'the address of the metadata service')
  const port = environment['METADATA_SERVICE_PORT'] || '50061'
  const url = `http://${host}:${port}/metadata`
  if (!URL.canParse(url)) throw new Error(`MIRROR_HOST and METADATA_SERVICE_PORT make no URL: ${url}`)
  return readJson(await readMetadata(url, 'bootkit', { signal }, machine), url)
}

async function inspected(layouts: readonly DiskLayout[], run: ActionRun, machine: Machine) {
  const found: { layout: DiskLayout; device: Device }[] = []
  for (const layout of layouts) {
    const device = await machine.disks.inspect(layout.device, run.signal)
    const sectors = layout.partitions.reduce((sum, partition) => sum + partition.sectors, 0)
    if ((sectors + 4096) * 512 > device.bytes)
      throw new Error(
        `${device.path} holds ${device.bytes} bytes, its partitions need ${(sectors + 4096) * 512}`,
      )
    found.push({ layout, device })
  }
  for (const { device } of found) announce(device, run)
  return found
}

async function partition({ disks }: Layout, run: ActionRun, machine: Machine): Promise<string> {
  const isMbr = Boolean(run.environment['MBR'])
  const made: string[] = []
  const file = join(machine.folder, 'partitions')
  await mkdir(machine.folder, { recursive: true })
  for (const { layout, device } of await inspected(disks, run, machine)) {
    if (layout.wipe) await machine.commands.run('wipefs', ['-a', '-f', device.path], run.signal)
    await writeFile(file, partitionScript(layout, isMbr))
    const command = `sfdisk --wipe always --wipe-partitions always "$1" < "$2"`
    await machine.commands.run('sh', ['-c', command, 'sfdisk', device.path, file], run.signal)
    const parts = await device.settle()
    run.log(`partitions: ${parts.join(' ')}`)
    made.push(`${layout.partitions.length} on ${device.path}`)
    machine.installedDisk.set(device.path)
  }
  await rm(file, { force: true })
  return `partitions (${isMbr ? 'MBR' : 'GPT'}): ${made.join(', ') || 'none'}`
}

async function wipe({ disks }: Layout, run: ActionRun, machine: Machine): Promise<string> {
  const found = await inspected(disks, run, machine)
  for (const { device } of found) {
    await machine.commands.run('wipefs', ['-a', '-f', device.path], run.signal)
    await device.settle()
  }
  return `no partition table any more: ${found.map(({ device }) => device.path).join(', ') || 'no disk'}`
}

async function devicesOf(
  fileSystems: readonly FileSystem[],
  run: ActionRun,
  machine: Machine,
): Promise<FileSystem[]> {
  const found: FileSystem[] = []
  for (const fileSystem of fileSystems) {
    const device = await machine.disks.inspect(fileSystem.device, run.signal)
    announce(device, run)
    found.push({ ...fileSystem, device: device.path })
  }
  return found
}

async function format({ fileSystems }: Layout, run: ActionRun, machine: Machine): Promise<string> {
  const found = await devicesOf(fileSystems, run, machine)
  for (const fileSystem of found) {
    const [program, ...args] = formatCommand(fileSystem)
    run.log([program, ...args].join(' '))
    await machine.commands.run(program, args, run.signal)
  }
  return `made ${found.map(({ format, device }) => `${format} on ${device}`).join(', ') || 'no file system'}`
}

/** Mounts do not outlive an action: each file system is mounted once, to see that it can be. */
async function mount({ fileSystems }: Layout, run: ActionRun, machine: Machine): Promise<string> {
  const found = await devicesOf(
    fileSystems.filter(({ format }) => format !== 'swap'),
    run,
    machine,
  )
  for (const { device, format, point } of found) {
    await machine.mounts.during(device, format, false, async () => undefined, run.signal)
    run.log(`${device} can be mounted as ${format} (${point || 'no mount point'})`)
  }
  return `file systems that can be mounted: ${found.length}; later actions mount what they need themselves`
}
