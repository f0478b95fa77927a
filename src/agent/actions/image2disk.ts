import { createHash } from 'node:crypto'
import { readable } from '../image/device.ts'
import type { Device } from '../image/device.ts'
import { detectFormat, foreignImage } from '../image/format.ts'
import { leastUnpackedBytes } from '../image/size.ts'
import { openSource } from '../image/source.ts'
import { abortable, peek, tap } from '../image/stream.ts'
import { unpack } from '../image/unpack.ts'
import { tooLarge, writeImage } from '../image/writer.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'
import { isTrue } from './environment.ts'

type Request = { url: string; disk: string; sha256: string | undefined; patienceMs: number }

const silenceMs = 30_000

/**
 * Streams a disk image over HTTP to a block device. Environment as in Tinkerbell's image2disk: IMG_URL, DEST_DISK,
 * RETRY_ENABLED, RETRY_DURATION_MINUTES; COMPRESSED, PROGRESS_INTERVAL_SECONDS and TEXT_LOGGING are accepted and not
 * needed (the format is told by the content). Added: SHA256, or CHECKSUM=sha256:<hex>, of the file as served.
 */
export async function image2disk(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const request = parseRequest(run.environment)
  const device = await machine.disks.inspect(request.disk, run.signal)
  const written = await transfer(request, device, run, machine)
  machine.installedDisk.set(device.path)
  const partitions = await device.settle()
  if (partitions.length) run.log(`partitions: ${partitions.join(' ')}`)
  return { message: `${written} written to ${device.path}` }
}

async function transfer(request: Request, device: Device, run: ActionRun, machine: Machine): Promise<string> {
  const { clock, trusted } = machine
  const { signal, log } = run
  const begun = clock.now()
  const source = await openSource(request.url, {
    clock,
    signal,
    log,
    trusted,
    patienceMs: request.patienceMs,
    checked: request.sha256 !== undefined,
    silenceMs,
  })
  const total = source.servedBytes ?? 0
  const hash = createHash('sha256')
  let served = 0
  const counted = tap(source.chunks, (chunk) => {
    hash.update(chunk)
    served += chunk.length
    run.progress(served, total)
  })
  const { head, all } = await peek(counted)
  if (head.length === 0) throw new Error(`${request.url} is empty`)
  const format = detectFormat(head)
  refuseForeign(request.url, head)
  const needs = await leastUnpackedBytes(format, head, source.servedBytes, source.range)
  if (needs !== undefined && needs > device.bytes) throw tooLarge(device, needs)
  log(`${request.url}: ${format}, ${total ? readable(total) : 'unknown length'}`)
  log(`destination ${device.path}: ${readable(device.bytes)}, ${device.description}`)
  const unpacked = await peek(unpack(format, all, signal))
  refuseForeign(request.url, unpacked.head)
  const bytes = await writeImage(device, abortable(unpacked.all, signal), () =>
    verify(request, hash.digest('hex')),
  )
  const seconds = Math.max(0.1, (clock.now() - begun) / 1000)
  return `${readable(bytes)} (${readable(served)} served, ${format}) in ${seconds.toFixed(1)} s`
}

function parseRequest(environment: Readonly<Record<string, string>>): Request {
  const { IMG_URL: url = '', DEST_DISK: disk = '' } = environment
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new Error(`IMG_URL is "${url}": an http or https URL expected`)
  }
  if (!disk) throw new Error('DEST_DISK is not set: a device such as /dev/sda expected')
  const minutes = isTrue(environment['RETRY_ENABLED'])
    ? Number(environment['RETRY_DURATION_MINUTES'] || 10)
    : 2
  if (!(minutes >= 0)) {
    throw new Error(`RETRY_DURATION_MINUTES is "${environment['RETRY_DURATION_MINUTES']}": a number expected`)
  }
  return { url, disk, sha256: parseChecksum(environment), patienceMs: minutes * 60_000 }
}

function parseChecksum({ SHA256, CHECKSUM }: Readonly<Record<string, string>>): string | undefined {
  const given = (SHA256 || CHECKSUM || '').trim().toLowerCase()
  if (!given) return undefined
  const found = /^(?:sha256:)?([0-9a-f]{64})$/.exec(given)
  if (!found)
    throw new Error(`checksum "${given}" is not understood: sha256:<64 hexadecimal digits> expected`)
  return found[1]
}

function verify({ sha256, url }: Request, found: string): void {
  if (sha256 === undefined || sha256 === found) return
  throw new Error(
    `${url} has SHA-256 ${found}, ${sha256} expected; the disk was left without a partition table`,
  )
}

function refuseForeign(url: string, head: Uint8Array): void {
  const kind = foreignImage(head)
  if (kind)
    throw new Error(
      `${url} is a ${kind}: image2disk writes raw images (also gzip, zstd, xz or bzip2 of them)`,
    )
}
