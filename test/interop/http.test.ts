import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { ip4 } from '../dhcp/packets.ts'
import { texts } from '../boot/things.ts'
import { bootNames, digest, ipxeFolder, pathOf } from './boot-files.ts'
import { startBoot } from './boot-servers.ts'
import { absent } from './spaces.ts'

const exec = promisify(execFile)
const folder = await mkdtemp(join(tmpdir(), 'interop-http-'))
t.teardown(() => rm(folder, { recursive: true }))
const ipxeDir = await ipxeFolder(folder)
const autoexec = join(folder, 'autoexec')
await writeFile(autoexec, texts.autoexec)
await writeFile(join(folder, 'empty'), '')
const boot = await startBoot({
  dirs: { ipxeDir, osDir: folder, imageDir: folder },
  address: ip4('127.0.0.1'),
  tftpPort: 0,
  httpPort: 0,
  machineByIp: () => undefined,
  record: () => {},
})
t.teardown(() => boot[Symbol.asyncDispose]())
const out = join(folder, 'out')

const urlOf = (path: string) => `http://127.0.0.1:${boot.httpPort}${path}`

type Answer = { status: number; field(name: string): string; body: Buffer }

/** One request of curl's. @param words further arguments */
async function curl(path: string, ...words: string[]): Promise<Answer> {
  await rm(out, { force: true })
  const { stdout } = await exec('curl', ['-sS', '-D', '-', '-o', out, ...words, urlOf(path)], {
    timeout: 20_000,
  })
  const fields = new Map(
    stdout.split('\r\n').flatMap((line) => {
      const found = /^([^:]+): (.*)$/.exec(line)
      return found ? [[found[1]!.toLowerCase(), found[2]!] as const] : []
    }),
  )
  const body = statSync(out, { throwIfNoEntry: false }) ? readFileSync(out) : Buffer.alloc(0)
  return { status: Number(stdout.split(' ')[1]), field: (name) => fields.get(name) ?? '', body }
}

const skip = await absent('curl')
const names = new Map([
  ...bootNames.map((name) => [name, pathOf(ipxeDir, name)] as const),
  ['autoexec.ipxe', autoexec],
])
for (const [name, path] of names) {
  t.test(`curl gets ${name} whole, and resumes it`, { skip }, async (t) => {
    const whole = await curl(`/ipxe/binary/${name}`)
    t.equal(whole.status, 200)
    t.equal(digest(out), digest(path))
    t.ok((await curl(`/ipxe/${name}`)).body.equals(whole.body), 'by its older path')
    const head = await curl(`/ipxe/binary/${name}`, '-I')
    t.same([head.status, head.field('content-length')], [200, String(whole.body.length)])

    await writeFile(out, whole.body.subarray(0, 300))
    await exec('curl', ['-sS', '-f', '-C', '-', '-o', out, urlOf(`/ipxe/binary/${name}`)])
    t.equal(digest(out), digest(path))
  })
}

const files = new Map([...names].map(([name, path]) => [path, name]))
for (const [path, name] of files) {
  t.test(`curl gets parts of ${name}`, { skip }, async (t) => {
    const url = `/ipxe/binary/${name}`
    const file = readFileSync(path)
    const whole = await curl(url, '-I')
    const [etag, modified] = [whole.field('etag'), whole.field('last-modified')]
    const middle = file.subarray(100, 301)
    for (const { ask, part, fields = [] } of [
      { ask: '100-300', part: middle },
      { ask: '-50', part: file.subarray(-50) },
      { ask: '100-', part: file.subarray(100) },
      { ask: `0-${file.length + 9}`, part: file },
      { ask: '100-300', part: middle, fields: [`If-Range: ${etag}`] },
      { ask: '100-300', part: middle, fields: [`If-Range: ${modified}`] },
    ]) {
      const got = await curl(url, '-r', ask, ...fields.flatMap((field) => ['-H', field]))
      t.same([got.status, got.field('content-length')], [206, String(part.length)], `${ask} ${fields.join()}`)
      t.ok(got.body.equals(part))
    }

    for (const field of [
      'If-Range: "another"',
      'If-Range: Thu, 01 Jan 1998 00:00:00 GMT',
      `If-Range: W/${etag}`,
    ]) {
      const got = await curl(url, '-r', '100-300', '-H', field)
      t.equal(got.status, 200, `${field} is another file`)
      t.ok(got.body.equals(file))
    }
    t.equal((await curl(url, '-H', `If-None-Match: ${etag}`)).status, 304)

    const beyond = await curl(url, '-r', `${file.length}-`)
    t.same([beyond.status, beyond.field('content-range')], [416, `bytes */${file.length}`])
  })
}

t.test('curl gets an empty file, and no part of it', { skip }, async (t) => {
  const { status, field, body } = await curl('/os/empty')
  t.same([status, field('content-length'), body.length], [200, '0', 0])
  t.equal((await curl('/os/empty', '-r', '0-')).status, 416)
})
