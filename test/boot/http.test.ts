import { createHash, randomBytes } from 'node:crypto'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import {
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { get, request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readdirSync, readlinkSync } from 'node:fs'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pino } from 'pino'
import t from 'tap'
import type { Test } from 'tap'
import type { Workflow } from '../../src/model/workflow.ts'
import { bootHttp } from '../../src/boot/http.ts'
import type { BootHttpDeps } from '../../src/boot/http.ts'
import { bootFiles } from '../../src/boot/open.ts'
import { hardwareOf, loopback, mac, machineOf, recorder, silent, site, texts, workflowOf } from './things.ts'

const nonce = 'a'.repeat(32)
const image = randomBytes(5 * 1024 * 1024 + 123)

async function server(t: Test, changes: Partial<BootHttpDeps> = {}, workflows: Workflow[] = []) {
  const dir = await mkdtemp(join(tmpdir(), 'ironwake-http-'))
  const [ipxeDir, osDir, imageDir] = ['ipxe', 'os', 'images'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ]
  for (const made of [ipxeDir, osDir, join(imageDir, 'sub')]) await mkdir(made, { recursive: true })
  await writeFile(join(ipxeDir, 'ipxe.efi'), 'binary')
  await writeFile(join(osDir, 'vmlinuz-x86_64'), 'kernel')
  await writeFile(join(osDir, 'initramfs-x86_64'), 'initramfs')
  await writeFile(join(imageDir, 'disk.img'), image)
  await writeFile(join(imageDir, 'sub', 'empty'), '')
  await writeFile(join(dir, 'secret'), 'secret')
  await symlink('../secret', join(imageDir, 'outside'))
  const machine = machineOf()
  const { recorded, record } = recorder()
  const app = bootHttp({
    log: silent,
    files: bootFiles({ ipxeDir, osDir, imageDir, texts, log: silent }),
    texts,
    site,
    caPem: 'PEM',
    identity: { token: (asked, given) => (asked === mac && given === nonce ? 'the-token' : undefined) },
    ready: () => true,
    machineByMac: (asked) => (asked === mac ? machine : undefined),
    machineByIp: (asked) => (asked === loopback ? machine : undefined),
    hardware: () => hardwareOf(),
    workflowsForHardware: () => workflows,
    record,
    ...changes,
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  t.teardown(async () => {
    await app.close()
    await rm(dir, { recursive: true })
  })
  return { app, port, recorded, imageDir }
}

type Got = { status: number; headers: IncomingHttpHeaders; body: Buffer }

/** One request over a socket, its path sent as it is written. */
function fetchRaw(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port, path, headers, method, host: '127.0.0.1', agent: false },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }),
        )
      },
    )
    request.on('error', reject)
    request.end()
  })
}

t.test('the script of a machine with work carries its identity only for the current nonce', async (t) => {
  const { app, recorded } = await server(t, {}, [workflowOf('w1', 'PENDING')])
  const withNonce = await app.inject(`/ipxe/script/${mac}/${nonce}/auto.ipxe`)
  t.equal(withNonce.statusCode, 200)
  t.match(withNonce.headers, { 'content-type': /^text\/plain/, 'cache-control': 'no-store' })
  t.ok(withNonce.body.includes(`/ipxe/identity/${mac}/${nonce}/identity.cpio`))
  t.strictSame(recorded, [{ mac, stage: 'boot-script', facts: { target: 'agent', why: 'workflow-waits' } }])
  for (const path of [
    `/ipxe/script/${mac}/${'b'.repeat(32)}/auto.ipxe`,
    `/ipxe/script/${mac}/auto.ipxe`,
    '/auto.ipxe',
    '/ipxe/script/auto.ipxe',
    '/52-54-00-00-00-01/auto.ipxe',
    `/ipxe/script/${mac.toUpperCase()}/auto.ipxe`,
  ]) {
    const { statusCode, body } = await app.inject(path)
    t.equal(statusCode, 200, path)
    t.ok(body.includes('vmlinuz') && !body.includes('identity'), path)
  }
})

t.test('a machine that boots its disk is noted as such', async (t) => {
  const { app, recorded } = await server(t, {}, [workflowOf('w1', 'SUCCESS')])
  t.ok((await app.inject(`/ipxe/script/${mac}/auto.ipxe`)).body.includes('sanboot'))
  t.strictSame(recorded, [
    { mac, stage: 'boot-script', facts: { target: 'disk', why: 'installed' } },
    { mac, stage: 'boot-disk', facts: { why: 'installed' } },
  ])
})

t.test('an unknown machine boots its disk, and leaves no trace in the timeline', async (t) => {
  const { app, recorded } = await server(t)
  const { statusCode, body } = await app.inject('/ipxe/script/52:54:00:00:00:99/auto.ipxe')
  t.equal(statusCode, 200)
  t.ok(body.includes('sanboot') && !body.includes('kernel --name'))
  t.strictSame(recorded, [])
  t.equal((await app.inject('/ipxe/script/nonsense/auto.ipxe')).statusCode, 404)
  t.equal((await app.inject({ url: '/auto.ipxe', remoteAddress: '192.0.2.1' })).statusCode, 404)
})

t.test('before the inventory is read, machines are told to wait', async (t) => {
  const { app } = await server(t, { ready: () => false, machineByMac: () => undefined })
  const { body } = await app.inject(`/ipxe/script/${mac}/${nonce}/auto.ipxe`)
  t.ok(body.includes(`chain --replace --autofree ${site.baseUrl}/ipxe/script/${mac}/${nonce}/auto.ipxe ||`))
  const odd = await app.inject(`/ipxe/script/${mac}/%24%7Bx%7D%20||/auto.ipxe`)
  t.ok(odd.body.includes(`${site.baseUrl}/ipxe/script/${mac}/auto.ipxe ||`))
})

t.test('the identity of a boot is an initrd for its nonce, nothing for others', async (t) => {
  const { app } = await server(t)
  const { statusCode, rawPayload, headers } = await app.inject(`/ipxe/identity/${mac}/${nonce}/identity.cpio`)
  t.equal(statusCode, 200)
  t.equal(headers['cache-control'], 'no-store')
  t.equal(Number(headers['content-length']), rawPayload.length)
  for (const path of [`${mac}/${'b'.repeat(32)}`, `52:54:00:00:00:99/${nonce}`, `${mac}/${mac}`])
    t.equal((await app.inject(`/ipxe/identity/${path}/identity.cpio`)).statusCode, 404)
  if (spawnSync('cpio', ['--version']).error) return
  const args = ['-i', '--to-stdout', 'etc/ironwake/boot.json']
  const text = execFileSync('cpio', args, { input: rawPayload, stdio: ['pipe', 'pipe', 'ignore'] }).toString()
  t.strictSame(JSON.parse(text), {
    agentId: mac,
    mac,
    token: 'the-token',
    grpc: site.grpcAuthority,
    ca: 'PEM',
    api: 1,
  })
})

t.test('files come whole, and what machines load is noted', async (t) => {
  const { port, recorded } = await server(t)
  const whole = await fetchRaw(port, '/images/disk.img')
  t.equal(whole.status, 200)
  t.ok(whole.body.equals(image))
  t.match(whole.headers, { 'content-length': String(image.length), 'accept-ranges': 'bytes', etag: /^"/ })
  t.equal((await fetchRaw(port, '/ipxe/binary/ipxe.efi')).headers['content-type'], 'application/efi')
  t.equal((await fetchRaw(port, `/ipxe/binary/${mac}/ipxe.efi`)).body.toString(), 'binary')
  t.equal((await fetchRaw(port, '/ipxe/ipxe.efi?x=1')).body.toString(), 'binary')
  t.equal((await fetchRaw(port, '/ipxe/binary/autoexec.ipxe')).body.toString(), texts.autoexec)
  t.equal((await fetchRaw(port, '/os/vmlinuz-x86_64')).body.toString(), 'kernel')
  t.equal((await fetchRaw(port, '/os/initramfs-x86_64')).body.toString(), 'initramfs')
  t.equal((await fetchRaw(port, '/images/sub/empty')).body.length, 0)
  t.strictSame(
    recorded.map(({ stage }) => stage),
    ['image', 'boot-file', 'boot-file', 'boot-file', 'boot-file', 'kernel', 'initramfs', 'image'],
  )
  t.match(recorded[1]?.facts, { file: 'ipxe.efi', bytes: 6, total: 6, by: 'http' })
  t.match(recorded[5]?.facts, { bytes: 6, total: 6 })
})

t.test('HEAD tells the size and sends nothing', async (t) => {
  const { port, recorded } = await server(t)
  const { status, headers, body } = await fetchRaw(port, '/images/disk.img', {}, 'HEAD')
  t.equal(status, 200)
  t.equal(headers['content-length'], String(image.length))
  t.equal(body.length, 0)
  t.equal((await fetchRaw(port, '/os/vmlinuz-x86_64', {}, 'HEAD')).status, 200)
  t.strictSame(recorded, [])
  t.equal((await fetchRaw(port, '/images/none', {}, 'HEAD')).status, 404)
})

t.test('any range has the bytes of the file', async (t) => {
  const { port } = await server(t)
  const size = image.length
  const point = () => Math.floor(Math.random() * size)
  for (let round = 0; round < 60; round += 1) {
    const [start, end] = [point(), point()].toSorted((a, b) => a - b) as [number, number]
    const { status, headers, body } = await fetchRaw(port, '/images/disk.img', {
      range: `bytes=${start}-${end}`,
    })
    t.ok(status === 206 && body.equals(image.subarray(start, end + 1)), `bytes=${start}-${end}`)
    t.equal(headers['content-range'], `bytes ${start}-${end}/${size}`)
  }
})

t.test('ranges at the edges', async (t) => {
  const { port } = await server(t)
  const size = image.length
  const cases: { range: string; path?: string; status: number; from?: number; to?: number }[] = [
    { range: 'bytes=0-0', status: 206, from: 0, to: 1 },
    { range: `bytes=${size - 1}-`, status: 206, from: size - 1, to: size },
    { range: 'bytes=-5', status: 206, from: size - 5, to: size },
    { range: `bytes=-${size * 2}`, status: 206, from: 0, to: size },
    { range: `bytes=10-${size * 2}`, status: 206, from: 10, to: size },
    { range: 'BYTES=1-2', status: 206, from: 1, to: 3 },
    { range: `bytes=${size}-`, status: 416 },
    { range: `bytes=${size}-${size + 5}`, status: 416 },
    { range: 'bytes=-0', status: 416 },
    { range: 'bytes=0-', path: '/images/sub/empty', status: 416 },
    { range: 'bytes=5-2', status: 200, from: 0, to: size },
    { range: 'bytes=-', status: 200, from: 0, to: size },
    { range: 'bytes=a-b', status: 200, from: 0, to: size },
    { range: 'bytes=0-1,4-5', status: 200, from: 0, to: size },
    { range: 'lines=0-1', status: 200, from: 0, to: size },
  ]
  for (const { range, status, from, to, path = '/images/disk.img' } of cases) {
    const got = await fetchRaw(port, path, { range })
    t.equal(got.status, status, range)
    const total = path.endsWith('empty') ? 0 : size
    if (status === 416) t.equal(got.headers['content-range'], `bytes */${total}`, range)
    else t.ok(got.body.equals(image.subarray(from, to)), `${range}: bytes`)
  }
})

t.test('a range of an older file is not given: the whole new one is', async (t) => {
  const { port } = await server(t)
  const { headers } = await fetchRaw(port, '/images/disk.img', {}, 'HEAD')
  const withRange = (condition: Record<string, string>) =>
    fetchRaw(port, '/images/disk.img', { range: 'bytes=0-9', ...condition }).then(({ status }) => status)
  t.equal(await withRange({ 'if-range': headers.etag! }), 206)
  t.equal(await withRange({ 'if-range': headers['last-modified']! }), 206)
  t.equal(await withRange({ 'if-range': '"other"' }), 200)
  t.equal(await withRange({ 'if-range': `W/${headers.etag}` }), 200)
  t.equal(await withRange({ 'if-range': 'Thu, 01 Jan 1970 00:00:00 GMT' }), 200)
  t.equal(await withRange({ 'if-none-match': headers.etag! }), 304)
})

t.test('no path leaves its directory', async (t) => {
  const { port } = await server(t)
  const paths = [
    '/images/../secret',
    '/images/%2e%2e/secret',
    '/images/..%2fsecret',
    '/images/%2e%2e%2fsecret',
    '/images/outside',
    '/images/sub/../../secret',
    '/images//etc/passwd',
    '/images/%2fetc%2fpasswd',
    '/images/disk.img%00',
    '/images/%00',
    '/images/',
    '/images',
    '/images/sub',
    '/os/../images/disk.img',
    '/images/%',
    '/images/%zz',
    '/images/..\\secret',
    '/images/.',
    '/images/%252e%252e/secret',
    '/ipxe/binary/../../secret',
    '/ipxe/%2e%2e/secret',
    '/',
    '/etc/passwd',
  ]
  for (const path of paths) t.equal((await fetchRaw(port, path)).status, 404, path)
  t.equal((await fetchRaw(port, '/images/disk.img', {}, 'POST')).status, 405)
})

const openFiles = (name: string) =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes(name)
    } catch {
      return false
    }
  })

const until = async (condition: () => boolean) => {
  for (let round = 0; round < 200 && !condition(); round += 1)
    await new Promise((done) => setTimeout(done, 10))
}

t.test('a client that goes away leaves no file open', async (t) => {
  const { port, imageDir } = await server(t)
  await truncate(join(imageDir, 'big.img'), 0).catch(() => writeFile(join(imageDir, 'big.img'), ''))
  await truncate(join(imageDir, 'big.img'), 512 * 1024 * 1024)
  await new Promise<void>((resolve) => {
    const request = get(
      { port, path: '/images/big.img', host: '127.0.0.1', agent: false },
      (response: IncomingMessage) => {
        response.once('data', () => {
          response.destroy()
          resolve()
        })
      },
    )
    request.on('error', () => undefined)
  })
  await until(() => openFiles(imageDir).length === 0)
  t.strictSame(openFiles(imageDir), [])
})

t.test('a client that does not read holds three chunks at most, and no other client back', async (t) => {
  const { port, imageDir } = await server(t)
  await writeFile(join(imageDir, 'big.img'), '')
  await truncate(join(imageDir, 'big.img'), 512 * 1024 * 1024)
  const before = process.memoryUsage().arrayBuffers
  const slow = connect(port, '127.0.0.1')
  slow.write('GET /images/big.img HTTP/1.1\r\nHost: x\r\n\r\n')
  slow.pause()
  const hash = createHash('sha256')
    .update((await fetchRaw(port, '/images/disk.img')).body)
    .digest('hex')
  t.equal(hash, createHash('sha256').update(image).digest('hex'))
  t.ok(process.memoryUsage().arrayBuffers - before < 40 * 1024 * 1024)
  slow.destroy()
  await until(() => openFiles(imageDir).length === 0)
  t.strictSame(openFiles(imageDir), [])
})

t.test('a file that shrinks while it is read breaks the connection instead of ending well', async (t) => {
  const { port, imageDir } = await server(t)
  const path = join(imageDir, 'shrinks.img')
  await writeFile(path, '')
  await truncate(path, 512 * 1024 * 1024)
  const failed = await new Promise<boolean>((resolve) => {
    get({ port, path: '/images/shrinks.img', host: '127.0.0.1', agent: false }, (response) => {
      response.once('data', () => void truncate(path, 1000).then(() => response.resume()))
      response.once('data', () => response.pause())
      response.on('aborted', () => resolve(true))
      response.on('error', () => resolve(true))
      response.on('end', () => resolve(false))
    })
  })
  t.ok(failed)
})

t.test('many clients at once each get every byte', async (t) => {
  const { port } = await server(t)
  const bodies = await Promise.all(Array.from({ length: 8 }, () => fetchRaw(port, '/images/disk.img')))
  t.ok(bodies.every(({ body }) => body.equals(image)))
})

t.test('a kept connection serves file after file', async (t) => {
  const { port } = await server(t)
  const socket = connect(port, '127.0.0.1')
  const ask = (path: string, last: boolean) =>
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: ${last ? 'close' : 'keep-alive'}\r\n\r\n`)
  ask('/os/vmlinuz-x86_64', false)
  ask('/images/none', false)
  ask('/os/initramfs-x86_64', true)
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString()
  t.strictSame(
    [...text.matchAll(/HTTP\/1.1 (\d+)/g)].map((found) => found[1]),
    ['200', '404', '200'],
  )
  t.ok(text.includes('\r\n\r\nkernel') && text.endsWith('\r\n\r\ninitramfs'))
})

t.test('HEAD tells what GET would, of files and scripts, and leaves no trace', async (t) => {
  const { port, recorded } = await server(t, {}, [workflowOf('w1', 'PENDING')])
  const paths = [
    '/images/disk.img',
    '/ipxe/binary/ipxe.efi',
    `/ipxe/script/${mac}/${nonce}/auto.ipxe`,
    `/ipxe/script/${mac}/auto.ipxe`,
    '/auto.ipxe',
    `/ipxe/identity/${mac}/${nonce}/identity.cpio`,
    '/images/none',
  ]
  const plain = ({ headers: { date: _date, ...headers } }: Got) => headers
  for (const path of paths) {
    const head = await fetchRaw(port, path, {}, 'HEAD')
    t.equal(head.body.length, 0, path)
    const traces = recorded.length
    const got = await fetchRaw(port, path)
    t.equal(head.status, got.status, path)
    t.strictSame(plain(head), plain(got), path)
    t.equal(Number(got.headers['content-length']), got.body.length, path)
    if (path.endsWith('.ipxe')) t.ok(recorded.length > traces, `${path}: GET is noted, HEAD was not`)
  }
  const part = await fetchRaw(port, '/images/disk.img', { range: 'bytes=0-9' }, 'HEAD')
  t.match(part, { status: 200, headers: { 'content-length': String(image.length) } })
  t.equal((await fetchRaw(port, `/ipxe/script/nonsense/auto.ipxe`, {}, 'HEAD')).status, 404)
})

t.test('a request that names the whole URL is answered', async (t) => {
  const { port } = await server(t)
  t.equal((await fetchRaw(port, `http://127.0.0.1:${port}/os/vmlinuz-x86_64`)).body.toString(), 'kernel')
  t.equal((await fetchRaw(port, 'http://boot.example')).status, 404)
  t.equal((await fetchRaw(port, 'http://boot.example/images/../../secret')).status, 404)
})

t.test('a file has another tag whenever it is another file, even of the same size and time', async (t) => {
  const { port, imageDir } = await server(t)
  const path = join(imageDir, 'fixed.img')
  const tag = async () => (await fetchRaw(port, '/images/fixed.img', {}, 'HEAD')).headers.etag
  const made = async (name: string, text: string) => {
    await writeFile(name, text)
    await utimes(name, 1_700_000_000, 1_700_000_000)
  }
  await made(path, 'one')
  const one = await tag()
  t.equal(await tag(), one, 'the same while nothing happens')
  await made(`${path}.new`, 'two')
  await rename(`${path}.new`, path)
  const two = await tag()
  t.not(two, one, 'put in its place')
  await made(path, 'six')
  t.not(await tag(), two, 'written over')
  const resumed = await fetchRaw(port, '/images/fixed.img', { range: 'bytes=1-', 'if-range': one! })
  t.match(resumed, { status: 200, body: Buffer.from('six') })
})

/** What a client gets that stops reading while `change` happens. */
function readWhile(port: number, path: string, change: () => Promise<void>): Promise<Buffer | 'broken'> {
  return new Promise((resolve) => {
    get({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      const parts: Buffer[] = []
      response.once('data', () => {
        response.pause()
        void change().then(() => response.resume())
      })
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', () => resolve('broken'))
      response.on('end', () => resolve(Buffer.concat(parts)))
    })
  })
}

t.test(
  'a file that is written over while it is read breaks the connection, one that is put in its place does not',
  async (t) => {
    const { port, imageDir } = await server(t)
    const path = join(imageDir, 'long.img')
    const [before, after] = [1, 2].map((octet) => Buffer.alloc(24 * 1024 * 1024, octet)) as [Buffer, Buffer]
    await writeFile(path, before)
    const kept = await readWhile(port, '/images/long.img', async () => {
      await writeFile(`${path}.new`, after)
      await rename(`${path}.new`, path)
    })
    t.ok(kept !== 'broken' && kept.equals(before), 'the old file, whole')
    const over = await readWhile(port, '/images/long.img', async () => {
      const file = await open(path, 'r+')
      await file.write(before, 0, 1000, after.length - 1000)
      await file.close()
    })
    t.equal(over, 'broken', 'neither the old nor the new one')
  },
)

t.test('many requests at once on one connection are answered in turn, one file at a time', async (t) => {
  const { port, imageDir } = await server(t)
  const socket = connect(port, '127.0.0.1')
  const count = 40
  const ask = (path: string, last = false) =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\n${last ? 'Connection: close\r\n' : ''}\r\n`
  socket.write(`${ask('/images/disk.img').repeat(count - 1)}${ask('/os/vmlinuz-x86_64', true)}`)
  let most = 0
  let length = 0
  let last = ''
  for await (const part of socket) {
    most = Math.max(most, openFiles(imageDir).length)
    length += (part as Buffer).length
    last = (part as Buffer).toString('latin1')
  }
  t.ok(length > (count - 1) * image.length && last.endsWith('\r\n\r\nkernel'))
  t.equal(most, 1)
})

/** What was used before must not count as given back meanwhile. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

t.test('a client that asks for much at once and goes away leaves nothing behind', async (t) => {
  const { port, imageDir } = await server(t)
  await writeFile(join(imageDir, 'big.img'), '')
  await truncate(join(imageDir, 'big.img'), 512 * 1024 * 1024)
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  for (const requests of [50, 2000]) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('GET /images/big.img HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(requests))
    if (requests === 50) await new Promise((resolve) => socket.once('data', resolve))
    else await new Promise((resolve) => socket.resume().once('close', resolve))
    t.ok(openFiles(imageDir).length <= 1, `${requests} requests`)
    t.ok(process.memoryUsage().arrayBuffers - before < 30 * 1024 * 1024, `${requests} requests`)
    socket.destroy()
    await until(() => openFiles(imageDir).length === 0)
    t.strictSame(openFiles(imageDir), [])
  }
  t.equal((await fetchRaw(port, '/os/vmlinuz-x86_64')).body.toString(), 'kernel')
})

t.test('clients that do not read share a bounded memory', async (t) => {
  const { port, imageDir } = await server(t)
  await writeFile(join(imageDir, 'big.img'), '')
  await truncate(join(imageDir, 'big.img'), 512 * 1024 * 1024)
  collectGarbage()
  const before = process.memoryUsage().arrayBuffers
  const slow = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const socket = connect(port, '127.0.0.1')
      socket.write('GET /images/big.img HTTP/1.1\r\nHost: x\r\n\r\n')
      await new Promise((resolve) => socket.once('readable', resolve))
      return socket
    }),
  )
  await new Promise((done) => setTimeout(done, 300))
  const held = (process.memoryUsage().arrayBuffers - before) / 1024 / 1024
  t.ok(held < 200, `${held.toFixed()} MiB`)
  for (const socket of slow) socket.destroy()
  await until(() => openFiles(imageDir).length === 0)
  t.strictSame(openFiles(imageDir), [])
})

t.test('one client cannot take all connections', async (t) => {
  const { port } = await server(t, { most: { connections: 3, ofClient: 2, waiting: 4 } })
  const closed: number[] = []
  const sockets = Array.from({ length: 3 }, (_, index) => {
    const socket = connect(port, '127.0.0.1')
    return socket.on('error', () => undefined).once('close', () => closed.push(index))
  })
  await until(() => closed.length > 0)
  t.equal(closed.length, 1)
  for (const socket of sockets) socket.destroy()
  await until(() => closed.length === 3)
  t.equal((await fetchRaw(port, '/os/vmlinuz-x86_64')).body.toString(), 'kernel', 'and they are given back')
})

t.test('a flood of the same requests makes few lines', async (t) => {
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) })
  const { app } = await server(t, { log }, [workflowOf('w1', 'PENDING')])
  for (let round = 0; round < 50; round += 1) {
    await app.inject(`/ipxe/script/${mac}/${'b'.repeat(32)}/auto.ipxe`)
    await app.inject('/ipxe/script/52:54:00:00:00:99/auto.ipxe')
  }
  t.same(lines.map((line) => (JSON.parse(line) as { msg: string }).msg).toSorted(), [
    'boot script asked for by an unknown machine',
    'boot script sent',
    'boot script without identity: its nonce is not current',
  ])
  lines.length = 0
  const { app: broken } = await server(t, {
    log,
    files: { open: () => Promise.reject(new Error('no memory')) },
  })
  for (let round = 0; round < 50; round += 1)
    t.equal((await broken.inject('/images/disk.img')).statusCode, 500)
  t.equal(lines.length, 1)
  t.match(lines[0], /no memory/)
})

t.test('curl takes a range, goes on after a break, and is told that nothing changed', async (t) => {
  if (spawnSync('curl', ['--version']).error) return
  const { port, imageDir } = await server(t)
  const out = join(imageDir, 'out')
  const run = promisify(execFile)
  const url = `http://127.0.0.1:${port}/images/disk.img`
  const curl = (...words: string[]) => run('curl', ['-sS', '-o', out, ...words, url])
  await curl('-r', '100-199')
  t.ok((await readFile(out)).equals(image.subarray(100, 200)))
  await writeFile(out, image.subarray(0, 1_000_000))
  await curl('-C', '-')
  t.ok((await readFile(out)).equals(image), 'the rest is added')
  const { stdout } = await curl('-z', out, '-w', '%{http_code}')
  t.equal(stdout, '304')
})
