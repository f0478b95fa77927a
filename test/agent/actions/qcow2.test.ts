import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { image2disk, qemuimg2disk } from '../../../src/agent/actions/image2disk.ts'
import { files, serve } from '../image/server.ts'
import { loopDevice, noLoopDevices, ownFolder } from '../loop.ts'
import { testRun } from '../machine.ts'
import { realMachine } from '../real.ts'

const missing = spawnSync('qemu-img', ['--version']).status === 0 ? false : 'needs qemu-img'
if (missing && process.env['CI']) throw new Error('qemu-img is missing')
const skip = missing || noLoopDevices()
const mebibyte = 1 << 20
/** Data, holes of any size, and an end that is no whole cluster. */
const disk = Buffer.concat([
  randomBytes(70_000),
  Buffer.alloc(3 * mebibyte),
  Buffer.alloc(5 * mebibyte, 'text that packs well '),
  Buffer.alloc(12 * mebibyte),
  randomBytes(2 * mebibyte + 512),
  Buffer.alloc(mebibyte - (70_000 % 512)),
])
const size = disk.length - (disk.length % 512)
const tags = { etag: '"v1"' }

function qcow2(t: Test, ...args: string[]): Buffer {
  const folder = ownFolder(t)
  const [raw, image] = [join(folder, 'raw'), join(folder, 'image')]
  writeFileSync(raw, disk.subarray(0, size))
  const { status, stderr } = spawnSync('qemu-img', [
    'convert',
    '-f',
    'raw',
    '-O',
    'qcow2',
    ...args,
    raw,
    image,
  ])
  if (status !== 0) throw new Error(stderr.toString())
  return readFileSync(image)
}

async function run(
  t: Test,
  url: string,
  device: string,
  environment: Record<string, string> = {},
  action = image2disk,
) {
  const { run, lines } = testRun({ IMG_URL: url, DEST_DISK: device, ...environment })
  const outcome = await action(run, realMachine(ownFolder(t))).then(
    ({ message }) => message,
    (error: unknown) => (error as Error).message,
  )
  return { outcome, lines }
}

function usedDisk(t: Test): string {
  const device = loopDevice(t, 26 * mebibyte)
  writeFileSync(device, Buffer.alloc(26 * mebibyte, 0xaa))
  return device
}

const kinds: Record<string, string[]> = {
  'usual one': [],
  'packed one': ['-c'],
  'one of the old version': ['-o', 'compat=0.10'],
  'one with clusters of 4 KiB': ['-o', 'cluster_size=4k'],
  'packed one with clusters of 2 MiB': ['-c', '-o', 'cluster_size=2M'],
}
for (const [name, args] of Object.entries(kinds)) {
  t.test(`a qcow2 image is on the disk with all its holes: a ${name}`, { skip }, async (t) => {
    const body = qcow2(t, ...args)
    const device = usedDisk(t)
    const url = await serve(t, files([{ body, tags }], [body.length >> 1]))
    const SHA512 = createHash('sha512').update(body).digest('hex')
    const { outcome, lines } = await run(t, url, device, { SHA512 })
    t.match(outcome, /qcow2\) in .* written to/)
    t.ok(lines.some((line) => line.startsWith(`destination ${device}: `)))
    const found = readFileSync(device)
    t.ok(found.subarray(0, size).equals(disk.subarray(0, size)))
    t.ok(
      found.subarray(size).every((byte) => byte === 0xaa),
      'nothing is written behind the image',
    )
  })
}

t.test('a wrong checksum of a qcow2 image leaves a disk that cannot start', { skip }, async (t) => {
  const device = usedDisk(t)
  const url = await serve(t, files([{ body: qcow2(t), tags }]))
  const { outcome } = await run(t, url, device, { SHA256: '0'.repeat(64) })
  t.match(outcome, /has SHA-256 [0-9a-f]{64}, 0+ expected; the disk was left without a partition table/)
  t.ok(
    readFileSync(device)
      .subarray(0, mebibyte)
      .every((byte) => byte === 0),
  )
})

t.test('qcow2 images that cannot be written are refused before the disk is touched', { skip }, async (t) => {
  const device = usedDisk(t)
  const refused = async (body: Buffer, says: RegExp) => {
    const { outcome } = await run(t, await serve(t, files([{ body, tags }])), device)
    t.match(outcome, says)
    t.equal(readFileSync(device)[0], 0xaa)
  }
  const whole = qcow2(t)
  await refused(qcow2(t, '-c', '-o', 'compression_type=zstd'), /packed with zstd inside/)
  await refused(qcow2(t, '-o', 'extended_l2=on,cluster_size=128k'), /has subclusters/)
  const based = Buffer.from(whole)
  based.writeBigUInt64BE(512n, 8)
  await refused(based, /a backing file/)
  const encrypted = Buffer.from(whole)
  encrypted.writeUInt32BE(1, 32)
  await refused(encrypted, /is encrypted/)
  const large = Buffer.from(whole)
  large.writeBigUInt64BE(BigInt(400 * mebibyte), 24)
  await refused(large, /does not fit/)
  await refused(whole.subarray(0, 100_000), /does not serve bytes/)
  const packed = spawnSync('gzip', ['-1'], { input: whole, maxBuffer: 1 << 28 }).stdout
  const { outcome } = await run(t, await serve(t, files([{ body: packed, tags }])), device)
  t.match(outcome, /is a qcow2 packed with gzip: raw images .* and plain qcow2 are written/)
})

t.test('a server without ranges cannot serve qcow2', { skip }, async (t) => {
  const body = qcow2(t)
  const url = await serve(t, (_request, response) => response.end(body))
  t.match(
    (await run(t, url, usedDisk(t))).outcome,
    /the server does not serve bytes \d+ to \d+ of the qcow2 image/,
  )
})

t.test('a damaged qcow2 image never hangs', { skip }, async (t) => {
  const body = qcow2(t, '-c')
  const device = usedDisk(t)
  for (let seed = 1; seed <= 5; seed++) {
    const broken = Buffer.from(body)
    for (let at = 24 + seed; at < broken.length; at += 9973 * seed) broken[at] = (at * seed) & 255
    const { outcome } = await run(t, await serve(t, files([{ body: broken, tags }])), device)
    t.type(outcome, 'string')
  }
})

t.test('qemuimg2disk takes what the disk is, and no arguments', { skip }, async (t) => {
  const device = usedDisk(t)
  const url = await serve(t, files([{ body: qcow2(t), tags }]))
  t.match((await run(t, url, device, { FORMAT: 'host_device' }, qemuimg2disk)).outcome, /qcow2\)/)
  t.match((await run(t, url, device, { FORMAT: 'vmdk' }, qemuimg2disk)).outcome, /FORMAT is "vmdk"/)
  t.match((await run(t, url, device, { EXTRA_ARGS: '-c' }, qemuimg2disk)).outcome, /EXTRA_ARGS is "-c"/)
})
