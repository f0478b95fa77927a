import { join } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { extract } from '../archive/extract.ts'
import { readTar } from '../archive/tar.ts'
import { parseChecksum } from '../image/checksum.ts'
import { readable } from '../image/device.ts'
import { detectFormat, foreignImage } from '../image/format.ts'
import { openSource } from '../image/source.ts'
import { peek, tap } from '../image/stream.ts'
import { unpack } from '../image/unpack.ts'
import { resolveInside } from '../inside.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'
import { announce } from './disk-image.ts'
import { fileSystem, httpUrl, isTrue, needed } from './environment.ts'
import { Sum } from './sums.ts'

const silenceMs = 30_000

/**
 * Unpacks a tar archive into a file system of the disk. Environment as in Tinkerbell's archive2disk: ARCHIVE_URL,
 * TARFILE_CHECKSUM (sha256:… or sha512:… of the file as served; must be there unless
 * INSECURE_NO_TARFILE_CHECKSUM_VERIFICATION is true), DEST_DISK (a partition), FS_TYPE, DEST_PATH,
 * HTTP_CLIENT_TIMEOUT_MINUTES (5: how long nothing may come); ARCHIVE_TYPE is accepted and not needed: gzip, bzip2, xz
 * and zstd are told by the content.
 */
export async function archive2disk(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const { environment, signal, log } = run
  const url = httpUrl(environment, 'ARCHIVE_URL')
  const disk = needed(environment, 'DEST_DISK', 'a partition such as /dev/sda1')
  const fsType = fileSystem(environment)
  const path = needed(environment, 'DEST_PATH', 'an absolute path such as /')
  if (!path.startsWith('/') || path.split('/').includes('..'))
    throw new Error(`DEST_PATH is "${path}": an absolute path without ".." expected`)
  const sum = new Sum(checksumOf(environment))
  const minutes = Number(environment['HTTP_CLIENT_TIMEOUT_MINUTES'] || 5)
  if (!(minutes >= 0))
    throw new Error(
      `HTTP_CLIENT_TIMEOUT_MINUTES is "${environment['HTTP_CLIENT_TIMEOUT_MINUTES']}": a number expected`,
    )
  const { clock, trusted } = machine
  const device = await machine.disks.inspect(disk, signal)
  const deps = { clock, signal, gate: run.gate, log, trusted, silenceMs }
  const source = await openSource(url, {
    ...deps,
    patienceMs: minutes * 60_000,
    checked: Boolean(environment['TARFILE_CHECKSUM']),
  })
  let served = 0
  const counted = tap(source.chunks, (chunk) => {
    sum.add(chunk)
    run.progress((served += chunk.length), source.servedBytes ?? 0)
  })
  const { head, all } = await peek(counted)
  const format = detectFormat(head)
  if (foreignImage(head)) throw new Error(`${url} is a ${foreignImage(head)}: a tar archive expected`)
  announce(device, run)
  const begun = clock.now()
  const place = async (root: string) => {
    const inside = await resolveInside(root, path)
    const folder = join(root, inside.path)
    await mkdir(folder, { recursive: true })
    const options = { commands: machine.commands, signal, log, isLayer: false }
    const done = await extract(readTar(unpack(format, all, signal)), folder, options)
    sum.compare(url, `what it holds is in ${path} of ${device.path} all the same`)
    return done
  }
  const { files, bytes } = await machine.mounts.during(device.path, fsType, false, place, signal)
  const seconds = Math.max(0.1, (clock.now() - begun) / 1000)
  const what = `${files} files with ${readable(bytes)} (${readable(served)} served, ${format})`
  return { message: `${what} unpacked into ${path} of ${device.path} in ${seconds.toFixed(1)} s` }
}

function checksumOf(environment: Readonly<Record<string, string>>) {
  const text = environment['TARFILE_CHECKSUM']?.trim()
  if (!text) {
    if (isTrue(environment['INSECURE_NO_TARFILE_CHECKSUM_VERIFICATION'])) return undefined
    throw new Error(
      'TARFILE_CHECKSUM is not set: sha256:<hex> or sha512:<hex> expected, or INSECURE_NO_TARFILE_CHECKSUM_VERIFICATION=true',
    )
  }
  const sum = parseChecksum(text)
  if (sum) return sum
  throw new Error(`TARFILE_CHECKSUM is "${text}": sha256:<hex> or sha512:<hex> expected`)
}
