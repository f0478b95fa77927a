import { spawnSync } from 'node:child_process'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { leastUnpackedBytes } from '../../../src/agent/image/size.ts'
import { gzipLeastBytes, xzIndexBytes, xzStream } from '../../../src/agent/image/trailer.ts'

const hasXz = spawnSync('xz', ['--version']).status === 0
const xz = (bytes: Buffer, ...args: string[]) =>
  spawnSync('xz', ['-c', '-1', ...args], { input: bytes, maxBuffer: 1 << 30 }).stdout
const zeros = Buffer.alloc(100_000)

/** Sizes as read from a file in memory, and how often it was read. */
async function sizeOf(format: 'xz' | 'gzip', body: Buffer) {
  let reads = 0
  const read = async (from: number, length: number) => {
    reads++
    return body.subarray(from, from + length)
  }
  return { size: await leastUnpackedBytes(format, body.subarray(0, 32), body.length, read), reads }
}

const many = '--block-size=4096'
const xzFiles: { name: string; body: () => Buffer; want: number | undefined; reads: number }[] = [
  { name: 'one block', body: () => xz(zeros), want: 100_000, reads: 1 },
  { name: 'many blocks', body: () => xz(zeros, many), want: 100_000, reads: 1 },
  {
    name: 'more blocks than one read holds',
    body: () => xz(Buffer.alloc(40 << 20), many),
    want: 40 << 20,
    reads: 2,
  },
  {
    name: 'streams with padding',
    body: () => Buffer.concat([xz(zeros), Buffer.alloc(12), xz(zeros, many), xz(zeros), Buffer.alloc(4)]),
    want: 300_000,
    reads: 3,
  },
  { name: 'nothing', body: () => xz(Buffer.alloc(0)), want: 0, reads: 1 },
  { name: 'a cut', body: () => xz(zeros).subarray(0, -4), want: undefined, reads: 1 },
  {
    name: 'garbage behind',
    body: () => Buffer.concat([xz(zeros), Buffer.from('more')]),
    want: undefined,
    reads: 1,
  },
]
for (const { name, body, want, reads } of xzFiles) {
  t.test(
    `the end of an xz file tells what it unpacks to: ${name}`,
    { skip: !hasXz && 'xz is missing' },
    async (t) => {
      t.same(await sizeOf('xz', body()), { size: want, reads })
    },
  )
}

t.test(
  'of very many streams the last ones are a lower bound',
  { skip: !hasXz && 'xz is missing' },
  async (t) => {
    const { size } = await sizeOf('xz', Buffer.concat(Array.from({ length: 40 }, () => xz(zeros))))
    t.equal(size, 1_600_000)
  },
)

t.test('damaged ends give no size and no crash', { skip: !hasXz && 'xz is missing' }, async (t) => {
  const body = xz(zeros, many)
  for (let at = Math.max(0, body.length - 300); at < body.length; at++)
    for (const bit of [1, 0x80, 0xff]) {
      const damaged = Buffer.from(body)
      damaged[at]! ^= bit
      const { size } = await sizeOf('xz', damaged)
      t.ok(size === undefined || Number.isSafeInteger(size))
    }
})

t.test('an index with impossible numbers', async (t) => {
  t.equal(xzStream(Buffer.from([0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01])), undefined)
  t.equal(xzStream(Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 1, 0])), undefined)
  t.equal(xzStream(Buffer.alloc(0)), undefined)
  t.equal(xzIndexBytes(Buffer.alloc(12)), undefined)
  t.equal(xzIndexBytes(Buffer.alloc(3)), undefined)
})

t.test('the end of a gzip file tells the least it unpacks to', async (t) => {
  const body = gzipSync(zeros)
  t.equal((await sizeOf('gzip', body)).size, 100_000)
  t.equal((await sizeOf('gzip', Buffer.concat([body, Buffer.alloc(512)]))).size, 0, 'padding tells nothing')
  t.equal(
    gzipLeastBytes(Buffer.from([0xff, 0xff, 0xff, 0xff]), 1000),
    undefined,
    'more than can be packed so small',
  )
  t.equal(gzipLeastBytes(Buffer.alloc(3), 1000), undefined)
})

t.test('a server that serves no parts leaves the size unknown', async (t) => {
  t.equal(await leastUnpackedBytes('xz', Buffer.alloc(32), 5000, async () => undefined), undefined)
  t.equal(await leastUnpackedBytes('gzip', Buffer.alloc(32), undefined, async () => undefined), undefined)
  t.equal(await leastUnpackedBytes('raw', Buffer.alloc(32), 5000, async () => undefined), 5000)
})
