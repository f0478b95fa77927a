import { openSource } from '../image/source.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'
import { writeDiskImage } from './disk-image.ts'
import { httpUrl, needed, patienceOf } from './environment.ts'
import { sumsOf } from './sums.ts'

const silenceMs = 30_000

/**
 * Streams a disk image over HTTP to a block device. Environment as in Tinkerbell's image2disk: IMG_URL, DEST_DISK,
 * RETRY_ENABLED, RETRY_DURATION_MINUTES; COMPRESSED, PROGRESS_INTERVAL_SECONDS and TEXT_LOGGING are accepted and not
 * needed (the format is told by the content). Added: checksums (see `sumsOf`).
 */
export async function image2disk(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const { environment } = run
  const url = httpUrl(environment, 'IMG_URL')
  const disk = needed(environment, 'DEST_DISK', 'a device such as /dev/sda')
  const patienceMs = patienceOf(environment)
  const sums = await sumsOf(url, run, machine)
  const device = await machine.disks.inspect(disk, run.signal)
  const source = await openSource(url, {
    clock: machine.clock,
    signal: run.signal,
    gate: run.gate,
    log: run.log,
    trusted: machine.trusted,
    patienceMs,
    checked: sums.served !== undefined,
    silenceMs,
  })
  const image = { name: url, bytes: source.servedBytes, chunks: source.chunks, range: source.range }
  return { message: await writeDiskImage(image, sums, device, run, machine) }
}

/**
 * The same; environment as in Tinkerbell's qemuimg2disk: IMG_URL, DEST_DISK, FORMAT (host_device, raw). EXTRA_ARGS, which
 * are qemu-img's, are refused.
 */
export async function qemuimg2disk(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const { FORMAT: format = '', EXTRA_ARGS: more = '' } = run.environment
  if (!['', 'host_device', 'raw'].includes(format))
    throw new Error(`FORMAT is "${format}": the disk is written as it is (host_device)`)
  if (more.trim()) throw new Error(`EXTRA_ARGS is "${more}": there is no qemu-img here that takes arguments`)
  return image2disk(run, machine)
}
