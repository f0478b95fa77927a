import { readable } from '../image/device.ts'
import type { Device } from '../image/device.ts'
import { detectFormat, foreignImage } from '../image/format.ts'
import { leastUnpackedBytes } from '../image/size.ts'
import type { ReadRange } from '../image/size.ts'
import { abortable, peek, tap } from '../image/stream.ts'
import type { Bytes } from '../image/stream.ts'
import { unpack } from '../image/unpack.ts'
import { tooLarge, writeImage, writePlaced } from '../image/writer.ts'
import { headerBytes } from '../qcow2/header.ts'
import { placed, readMap } from '../qcow2/read.ts'
import type { ActionRun, Machine } from './action.ts'
import { Sum } from './sums.ts'
import type { Sums } from './sums.ts'

/** An image as it comes from somewhere. */
export type Served = {
  /** for people */
  name: string
  bytes: number | undefined
  chunks: AsyncIterable<Uint8Array>
  range: ReadRange
}

/** Says where something is going to be written, before it is. */
export function announce(device: Device, run: ActionRun): void {
  run.log(`destination ${device.path}: ${readable(device.bytes)}, ${device.description}`)
}

/**
 * Writes a disk image to a device: raw, packed with gzip, bzip2, xz or zstd, or qcow2, told by its content. The disk has
 * no valid beginning before all of the image is there and its checksums are right.
 * @returns what was done, for people
 */
export async function writeDiskImage(
  image: Served,
  sums: Sums,
  device: Device,
  run: ActionRun,
  machine: Machine,
): Promise<string> {
  const begun = machine.clock.now()
  const sum = new Sum(sums.served)
  let served = 0
  const counted = tap(image.chunks, (chunk) => {
    sum.add(chunk)
    served += chunk.length
    run.progress(served, image.bytes ?? 0)
  })
  const { head, all } = await peek(counted, headerBytes)
  if (head.length === 0) throw new Error(`${image.name} is empty`)
  const approve = () => sum.compare(image.name, 'the disk was left without a partition table')
  const isQcow2 = foreignImage(head) === 'qcow2'
  const write = isQcow2 ? writeQcow2 : writeStream
  const { bytes, format } = await write({ ...image, head, chunks: all }, sums, device, run, approve)
  machine.installedDisk.set(device.path)
  const partitions = await device.settle()
  if (partitions.length) run.log(`partitions: ${partitions.join(' ')}`)
  const seconds = Math.max(0.1, (machine.clock.now() - begun) / 1000)
  return `${readable(bytes)} (${readable(served)} served, ${format}) in ${seconds.toFixed(1)} s written to ${device.path}`
}

type Opened = Served & { head: Uint8Array; chunks: Bytes }

async function writeStream(image: Opened, sums: Sums, device: Device, run: ActionRun, approve: () => void) {
  const format = detectFormat(image.head)
  refuseForeign(image.name, image.head)
  const needs = await leastUnpackedBytes(format, image.head, image.bytes, image.range)
  if (needs !== undefined && needs > device.bytes) throw tooLarge(device, needs)
  run.log(`${image.name}: ${format}, ${image.bytes ? readable(image.bytes) : 'unknown length'}`)
  announce(device, run)
  const unpacked = await peek(unpack(format, image.chunks, run.signal))
  refuseForeign(image.name, unpacked.head, format)
  const sum = new Sum(sums.unpacked)
  const counted = tap(abortable(unpacked.all, run.signal), (chunk) => sum.add(chunk))
  const write = writeImage(device, counted, () => {
    approve()
    sum.compare(`what ${image.name} unpacks to`, 'the disk was left without a partition table')
  })
  const bytes = await stoppable(write, device, run)
  return { bytes, format }
}

async function writeQcow2(image: Opened, sums: Sums, device: Device, run: ActionRun, approve: () => void) {
  if (sums.unpacked)
    throw new Error('UNPACKED_CHECKSUM: of a qcow2 image only the file as served can be checked (CHECKSUM)')
  const map = await readMap(image.head, image.range)
  if (map.header.bytes > device.bytes) throw tooLarge(device, map.header.bytes)
  const { clusters, gaps } = map
  run.log(
    `${image.name}: qcow2, ${readable(map.header.bytes)}, of which ${readable(clusters.length * 2 ** map.header.clusterBits)} are held`,
  )
  announce(device, run)
  const pieces = placed(abortable(image.chunks, run.signal), map)
  const write = writePlaced(device, pieces, approve, gaps)
  return { bytes: await stoppable(write, device, run), format: 'qcow2' }
}

/** Says what a disk is like whose image is stopped halfway. */
async function stoppable(
  write: Promise<number>,
  device: Device,
  { signal, log }: ActionRun,
): Promise<number> {
  return write.catch((error: unknown) => {
    if (signal.aborted) log(`stopped halfway: ${device.path} was left without a partition table`)
    throw error
  })
}

function refuseForeign(name: string, head: Uint8Array, packing?: string): void {
  const kind = foreignImage(head)
  if (kind === undefined) return
  const inside = packing && packing !== 'raw' ? ` packed with ${packing}` : ''
  throw new Error(
    `${name} is a ${kind}${inside}: raw images (also gzip, zstd, xz or bzip2 of them) and plain qcow2 are written`,
  )
}
