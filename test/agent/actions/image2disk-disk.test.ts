import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { image2disk } from '../../../src/agent/actions/image2disk.ts'
import { files, serve } from '../image/server.ts'
import { loopDevice, noLoopDevices, ownFolder, smallFolder } from '../loop.ts'
import { testRun } from '../machine.ts'
import { realMachine } from '../real.ts'

const skip = noLoopDevices()
const mebibyte = 1 << 20
const image = Buffer.concat([
  randomBytes(mebibyte + 77),
  Buffer.alloc(4 * mebibyte),
  randomBytes(2 * mebibyte + 4097),
])
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const tags = { etag: '"v1"' }

function packed(bytes: Buffer, program: string, ...args: string[]): Buffer {
  const { status, stdout, stderr } = spawnSync(program, ['-c', '-q', ...args], {
    input: bytes,
    maxBuffer: 1 << 30,
  })
  if (status !== 0) throw new Error(`${program}: ${stderr.toString()}`)
  return stdout
}

const xz = (bytes: Buffer) => packed(bytes, 'xz', '-1', '--block-size=1MiB')
const bodies: Record<string, (bytes: Buffer) => Buffer> = {
  raw: (bytes) => bytes,
  gzip: (bytes) => packed(bytes, 'gzip', '-1'),
  zstd: (bytes) => packed(bytes, 'zstd', `--stream-size=${bytes.length}`),
  xz,
  'xz of several streams': (bytes) =>
    Buffer.concat([
      xz(bytes.subarray(0, 999_999)),
      Buffer.alloc(8),
      xz(bytes.subarray(999_999)),
      Buffer.alloc(4),
    ]),
  'zstd with a frame for others in front': (bytes) =>
    Buffer.concat([Buffer.from('502a4d180400000001020304', 'hex'), packed(bytes, 'zstd')]),
  bzip2: (bytes) => packed(bytes, 'bzip2', '-1'),
}

async function run(t: Test, url: string, device: string, environment: Record<string, string> = {}) {
  const { run, lines } = testRun({ IMG_URL: url, DEST_DISK: device, ...environment })
  const outcome = await image2disk(run, realMachine(ownFolder(t))).then(
    ({ message }) => message,
    (error: unknown) => (error as Error).message,
  )
  return { outcome, lines }
}

/** A disk that holds something. */
function usedDisk(t: Test, bytes: number): string {
  const device = loopDevice(t, bytes)
  writeFileSync(device, Buffer.alloc(Math.min(bytes, 2 * mebibyte), 0xaa))
  return device
}

function firstBytes(device: string): Buffer {
  const bytes = Buffer.alloc(mebibyte)
  const file = openSync(device, 'r')
  readSync(file, bytes)
  closeSync(file)
  return bytes
}

for (const [name, pack] of Object.entries(bodies)) {
  t.test(`a ${name} image whose transfer breaks twice is whole on the disk`, { skip }, async (t) => {
    const body = pack(image)
    const url = await serve(t, files([{ body, tags }], [body.length >> 1, body.length >> 2]))
    const device = usedDisk(t, 8 * mebibyte)
    const { outcome, lines } = await run(t, url, device, { SHA256: sha256(body) })
    t.match(outcome, `written to ${device}`)
    t.equal(lines.filter((line) => /connection broke at byte/.test(line)).length, 2)
    t.ok(readFileSync(device).subarray(0, image.length).equals(image))
  })
}

for (const name of ['raw', 'gzip', 'zstd', 'xz', 'xz of several streams']) {
  t.test(`a ${name} image larger than the disk is refused before the first byte`, { skip }, async (t) => {
    const body = bodies[name]!(image)
    const device = usedDisk(t, 4 * mebibyte)
    const { outcome } = await run(t, await serve(t, files([{ body, tags }])), device)
    t.equal(
      outcome,
      `the image does not fit: ${device} holds ${4 * mebibyte} bytes, the image has ${image.length} bytes`,
    )
    t.ok(firstBytes(device).equals(Buffer.alloc(mebibyte, 0xaa)), 'the disk was not touched')
  })
}

t.test(
  'a bzip2 image larger than the disk fails at the first byte that does not fit',
  { skip },
  async (t) => {
    const device = usedDisk(t, 4 * mebibyte)
    const { outcome } = await run(t, await serve(t, files([{ body: bodies['bzip2']!(image), tags }])), device)
    t.match(outcome, /does not fit: .* the image has more/)
    t.ok(firstBytes(device).equals(Buffer.alloc(mebibyte)), 'nothing can start from it')
  },
)

t.test('an image that fills the disk to its last byte fits', { skip }, async (t) => {
  const body = xz(image.subarray(0, 7 * mebibyte))
  const device = usedDisk(t, 7 * mebibyte)
  const { outcome } = await run(t, await serve(t, files([{ body, tags }])), device)
  t.match(outcome, 'written to')
})

t.test('a disk that takes no more bytes: the action says where', { skip }, async (t) => {
  const device = loopDevice(t, 8 * mebibyte, smallFolder(t, 3 * mebibyte))
  const body = randomBytes(7 * mebibyte)
  const { outcome } = await run(t, await serve(t, files([{ body, tags }])), device)
  t.match(outcome, new RegExp(`^${device} did not take byte \\d+: (input/output error|no space left)`))
  t.ok(firstBytes(device).equals(Buffer.alloc(mebibyte)), 'nothing can start from it')
})

t.test('a wrong checksum: both sums, and nothing can start from the disk', { skip }, async (t) => {
  const device = usedDisk(t, 8 * mebibyte)
  const given = '0'.repeat(64)
  const { outcome } = await run(t, await serve(t, files([{ body: image, tags }])), device, { SHA256: given })
  t.match(outcome, `has SHA-256 ${sha256(image)}, ${given} expected`)
  t.ok(firstBytes(device).equals(Buffer.alloc(mebibyte)))
})

const other = Buffer.from(image).fill(1, mebibyte)
const day = 'Mon, 02 Nov 2026 10:00:00 GMT'
const changes: {
  name: string
  before: Record<string, string>
  after: Record<string, string>
  says: RegExp
}[] = [
  {
    name: 'another ETag',
    before: { etag: '"v1"' },
    after: { etag: '"v2"' },
    says: /the file changed on the server/,
  },
  {
    name: 'another weak ETag',
    before: { etag: 'W/"v1"' },
    after: { etag: 'W/"v2"' },
    says: /the file changed on the server/,
  },
  {
    name: 'another date',
    before: { 'last-modified': day },
    after: { 'last-modified': day.replace('02', '03') },
    says: /the file changed on the server/,
  },
  {
    name: 'nothing that says so',
    before: {},
    after: {},
    says: /neither ETag nor Last-Modified.*: set SHA256/,
  },
]
for (const { name, before, after, says } of changes) {
  t.test(`a file that changes while the connection is away is not mixed: ${name}`, { skip }, async (t) => {
    const versions = [
      { body: image, tags: before },
      { body: other, tags: after },
    ]
    const device = usedDisk(t, 8 * mebibyte)
    const { outcome } = await run(t, await serve(t, files(versions, [3 * mebibyte])), device)
    t.match(outcome, says)
    t.ok(firstBytes(device).equals(Buffer.alloc(mebibyte)), 'nothing can start from it')
  })
}

t.test('a checksum finds a mixture that the server does not tell of', { skip }, async (t) => {
  const versions = [
    { body: image, tags: {} },
    { body: other, tags: {} },
  ]
  const url = await serve(t, files(versions, [3 * mebibyte]))
  const { outcome } = await run(t, url, usedDisk(t, 8 * mebibyte), { SHA256: sha256(image) })
  t.match(outcome, /has SHA-256/)
})

t.test('a disk in use names its user', { skip }, async (t) => {
  const device = loopDevice(t, 8 * mebibyte)
  spawnSync('mke2fs', ['-q', '-F', device])
  const folder = ownFolder(t)
  spawnSync('mount', [device, folder])
  t.teardown(() => spawnSync('umount', [folder]))
  const { outcome } = await run(t, 'http://127.0.0.1:9/', device)
  t.match(outcome, `${device} is in use: ${device} is mounted on ${folder}`)
})
