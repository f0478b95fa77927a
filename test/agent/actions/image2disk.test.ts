import { spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { image2disk } from '../../../src/agent/actions/image2disk.ts'
import { fileDevice, testMachine, testRun } from '../machine.ts'

const mebibyte = 1 << 20
/** Random, zero and odd-sized parts: not a whole number of pages. */
const image = Buffer.concat([
  randomBytes(2 * mebibyte + 77),
  Buffer.alloc(3 * mebibyte),
  randomBytes(mebibyte + 4097),
])
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function serve(t: Test, answer: Answer): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`
}

function disk(t: Test, bytes: number) {
  const path = join(t.testdir({}), 'disk')
  writeFileSync(path, Buffer.alloc(mebibyte, 0xaa))
  truncateSync(path, bytes)
  return { path, device: fileDevice(path, bytes), read: () => readFileSync(path) }
}

/** Serves `body` with ranges; the connection breaks after each of `cuts` bytes in turn. */
function breaking(body: Buffer, cuts: number[], tags: Record<string, string> = { etag: '"v1"' }): Answer {
  return (request, response) => {
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const headers = { ...tags, 'content-length': body.length - from }
    if (from)
      response.writeHead(206, {
        ...headers,
        'content-range': `bytes ${from}-${body.length - 1}/${body.length}`,
      })
    else response.writeHead(200, headers)
    const cut = cuts.shift()
    if (cut === undefined) return response.end(body.subarray(from))
    return response.write(body.subarray(from, from + cut), () => setTimeout(() => response.destroy(), 20))
  }
}

const compress = (program: string, bytes: Buffer) =>
  spawnSync(program, ['-c', '-q'], { input: bytes, maxBuffer: 1 << 30 }).stdout
const has = (program: string) => spawnSync(program, ['--version']).status === 0

const packings = [
  { name: 'raw', body: () => image },
  { name: 'gzip', body: () => gzipSync(image) },
  {
    name: 'gzip of several members',
    body: () => Buffer.concat([gzipSync(image.subarray(0, 999_999)), gzipSync(image.subarray(999_999))]),
  },
  { name: 'gzip with padding behind', body: () => Buffer.concat([gzipSync(image), Buffer.alloc(mebibyte)]) },
  { name: 'zstd', needs: 'zstd', body: () => compress('zstd', image) },
  { name: 'xz', needs: 'xz', body: () => compress('xz', image) },
]
for (const { name, needs, body } of packings) {
  t.test(
    `a ${name} image arrives whole`,
    { skip: needs !== undefined && !has(needs) && `${needs} is missing` },
    async (t) => {
      const bytes = body()
      const target = disk(t, 8 * mebibyte)
      const machine = testMachine({ device: target.device })
      const url = await serve(t, (_request, response) => response.end(bytes))
      const { run, progress } = testRun({
        IMG_URL: url,
        DEST_DISK: '/dev/sda',
        SHA256: sha256(bytes),
        COMPRESSED: 'true',
      })
      const { message } = await image2disk(run, machine)
      t.match(message, /6\.3 MB \(.* served, .*\) in .* written to/)
      t.ok(target.read().subarray(0, image.length).equals(image), 'the disk holds the image')
      t.same(progress.at(-1)?.[0], bytes.length, 'progress ends at the served length')
      t.same(machine.installed, [target.path])
    },
  )
}

t.test('a broken connection goes on where it broke', async (t) => {
  const target = disk(t, 8 * mebibyte)
  const url = await serve(t, breaking(image, [500_000, 100_000, 2_000_000]))
  const { run, lines } = testRun({ IMG_URL: url, DEST_DISK: '/dev/sda', CHECKSUM: `sha256:${sha256(image)}` })
  await image2disk(run, testMachine({ device: target.device }))
  t.ok(target.read().subarray(0, image.length).equals(image))
  t.equal(lines.filter((line) => /connection broke at byte/.test(line)).length, 3)
})

t.test('a busy server is asked again', async (t) => {
  let asked = 0
  const url = await serve(t, (_request, response) => {
    if (++asked === 1) return response.writeHead(503).end()
    return response.end(image)
  })
  const { run } = testRun({ IMG_URL: url, DEST_DISK: '/dev/sda' })
  await image2disk(run, testMachine({ device: disk(t, 8 * mebibyte).device }))
  t.equal(asked, 2)
})

const failures: {
  name: string
  answer: Answer
  says: RegExp
  environment?: Record<string, string>
  bytes?: number
  touched?: true
}[] = [
  {
    name: 'a wrong checksum fails, names both, and leaves no partition table',
    answer: (_request, response) => response.end(image),
    environment: { SHA256: '0'.repeat(64) },
    says: new RegExp(`has SHA-256 ${sha256(image)}, 0{64} expected`),
    touched: true,
  },
  {
    name: 'a gzip file that is cut off fails',
    answer: (_request, response) => response.end(gzipSync(image).subarray(0, 100_000)),
    says: /gzip data is damaged or cut off/,
    touched: true,
  },
  {
    name: 'a missing file fails with URL and status',
    answer: (_request, response) => response.writeHead(404).end('no'),
    says: /GET http:\S+disk\.img: the server answered 404 Not Found/,
  },
  {
    name: 'an image larger than the disk is refused before the first byte',
    answer: (_request, response) => response.writeHead(200, { 'content-length': image.length }).end(image),
    bytes: 2 * mebibyte,
    says: new RegExp(`does not fit: .* holds 2097152 bytes, the image has ${image.length} bytes`),
  },
  {
    name: 'an unpacked image larger than the disk fails at its end',
    answer: (_request, response) => response.end(gzipSync(image)),
    bytes: 2 * mebibyte,
    says: /does not fit: .* the image has more/,
    touched: true,
  },
  {
    name: 'a qcow2 file that is none is refused',
    answer: (_request, response) => response.end(Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), image])),
    says: /the qcow2 image is of version/,
  },
  {
    name: 'a packed qcow2 file is refused',
    answer: (_request, response) =>
      response.end(gzipSync(Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), image]))),
    says: /is a qcow2/,
  },
  {
    name: 'an empty file is refused',
    answer: (_request, response) => response.end(),
    says: /is empty/,
  },
  {
    name: 'a stream that stays short fails',
    answer: breaking(image, [1_000_000, 0, 0, 0, 0, 0, 0, 0]),
    environment: { RETRY_ENABLED: 'true', RETRY_DURATION_MINUTES: '0' },
    says: /the connection breaks again and again at byte 1000000 of/,
    touched: true,
  },
  {
    name: 'a file that changes during the transfer fails',
    answer: (request, response) => {
      const changed = request.headers.range !== undefined
      response.writeHead(200, { etag: changed ? '"v2"' : '"v1"', 'content-length': image.length })
      response.write(image.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20))
    },
    says: /changed on the server during the transfer/,
    touched: true,
  },
  {
    name: 'a redirect out of HTTP is refused',
    answer: (_request, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    says: /redirected to "file:/,
  },
]
for (const { name, answer, says, environment = {}, bytes = 8 * mebibyte, touched = false } of failures) {
  t.test(name, async (t) => {
    const target = disk(t, bytes)
    const machine = testMachine({ device: target.device })
    const url = await serve(t, answer)
    const { run } = testRun({ IMG_URL: url, DEST_DISK: '/dev/sda', ...environment })
    await t.rejects(image2disk(run, machine), says)
    const first = target.read().subarray(0, 4096)
    t.ok(
      first.equals(Buffer.alloc(4096, touched ? 0 : 0xaa)),
      touched ? 'no partition table' : 'the disk was not touched',
    )
    t.same(machine.installed, [])
  })
}

t.test('a cancelled transfer ends at once', async (t) => {
  const stop = new AbortController()
  const url = await serve(t, (_request, response) => void response.writeHead(200).write(image))
  const { run } = testRun({ IMG_URL: url, DEST_DISK: '/dev/sda' }, stop.signal)
  setTimeout(() => stop.abort(new Error('cancelled')), 100)
  await t.rejects(image2disk(run, testMachine({ device: disk(t, 8 * mebibyte).device })))
})

const badEnvironments = [
  { name: 'no URL', environment: {}, says: /IMG_URL is "": an http or https URL expected/ },
  { name: 'a file URL', environment: { IMG_URL: 'file:///x' }, says: /IMG_URL is "file:/ },
  { name: 'no disk', environment: { IMG_URL: 'http://x/' }, says: /DEST_DISK is not set/ },
  {
    name: 'an odd checksum',
    environment: { IMG_URL: 'http://x/', DEST_DISK: '/dev/sda', SHA256: 'md5:00' },
    says: /checksum "md5:00"/,
  },
]
for (const { name, environment, says } of badEnvironments) {
  t.test(`${name} is refused`, async (t) => {
    await t.rejects(image2disk(testRun({ ...environment }).run, testMachine({})), says)
  })
}
