import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { image2disk } from '../../../src/agent/actions/image2disk.ts'
import { oci2disk } from '../../../src/agent/actions/oci2disk.ts'
import { loopDevice, noLoopDevices, ownFolder } from '../loop.ts'
import { testRun } from '../machine.ts'
import { blobOf, manifestOf } from '../oci/images.ts'
import type { Blob } from '../oci/images.ts'
import { login, noRegistry, registry } from '../oci/registry.ts'
import { realMachine } from '../real.ts'

const skip = noRegistry() || noLoopDevices()
const mebibyte = 1 << 20
const image = Buffer.concat([randomBytes(mebibyte + 77), Buffer.alloc(12 * mebibyte), randomBytes(99_999)])
const layerType = 'application/vnd.oci.image.layer.v1.tar'

async function run(t: Test, action: typeof image2disk, environment: Record<string, string>) {
  const { run, lines } = testRun(environment)
  const outcome = await action(run, realMachine(ownFolder(t))).then(
    ({ message }) => message,
    (error: unknown) => (error as Error).message,
  )
  return { outcome, lines }
}

function usedDisk(t: Test): string {
  const device = loopDevice(t, 16 * mebibyte)
  writeFileSync(device, Buffer.alloc(16 * mebibyte, 0xaa))
  return device
}

const config = blobOf(Buffer.from('{}'), 'application/vnd.oci.image.config.v1+json')
const pack = (bytes: Buffer) => blobOf(gzipSync(bytes, { level: 1 }), layerType)

async function pushed(t: Test, layers: Blob[], auth?: 'basic' | 'token') {
  const open = await registry(t)
  await open.push('images/ubuntu', '22.04', [config, ...layers], [manifestOf(config, layers)])
  const { host } = auth ? await registry(t, { folder: open.folder, auth }) : open
  return `${host}/images/ubuntu:22.04`
}

t.test('an image that a registry keeps comes to the disk, with a login', { skip }, async (t) => {
  const url = await pushed(t, [pack(image)], 'token')
  const device = usedDisk(t)
  const who = { REGISTRY_USERNAME: login.username, REGISTRY_PASSWORD: login.password }
  const { outcome } = await run(t, oci2disk, { IMG_URL: url, DEST_DISK: device, COMPRESSED: 'true', ...who })
  t.match(outcome, /gzip\) in .* written to/)
  const found = readFileSync(device)
  t.ok(found.subarray(0, image.length).equals(image))
  t.ok(found.subarray(image.length).equals(Buffer.alloc(found.length - image.length, 0xaa)))
  const refused = await run(t, oci2disk, { IMG_URL: url, DEST_DISK: device })
  t.match(refused.outcome, /the registry refused access without a user name/)
})

t.test('what is no single disk image is refused', { skip }, async (t) => {
  const device = usedDisk(t)
  const two = await pushed(t, [pack(image), pack(Buffer.from('x'))])
  t.match(
    (await run(t, oci2disk, { IMG_URL: two, DEST_DISK: device })).outcome,
    /has 2 layers: one with a disk image/,
  )
  const wrong = { IMG_URL: 'https://x/y', DEST_DISK: device }
  t.match((await run(t, oci2disk, wrong)).outcome, /without a scheme expected/)
  t.equal(readFileSync(device)[0], 0xaa)
})

const sums = (bytes: Buffer) => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  sha512: createHash('sha512').update(bytes).digest('hex'),
})

/** A web server with these files. */
async function web(t: Test, files: Record<string, Buffer | string>): Promise<string> {
  const server = createServer((request, response) => {
    const found = files[new URL(request.url ?? '', 'http://x').pathname]
    return found === undefined ? response.writeHead(404).end() : response.end(found)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => (server.closeAllConnections(), server.close()))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test(
  'a checksum is fetched from beside the image, or from a list',
  { skip: noLoopDevices() },
  async (t) => {
    const body = gzipSync(image, { level: 1 })
    const { sha256, sha512 } = sums(body)
    const at = await web(t, {
      '/a.img': body,
      '/a.img.sha256': `${sha256}  a.img\n`,
      '/b.img': body,
      '/b.img.sha512': `${sha512}\n`,
      '/SHA256SUMS': `${'0'.repeat(64)} *a.img\n${sha256} *b.img\n`,
    })
    const DEST_DISK = usedDisk(t)
    const go = (file: string, more: Record<string, string>) =>
      run(t, image2disk, { IMG_URL: `${at}/${file}?token=x`, DEST_DISK, ...more })
    const first = await go('a.img', { CHECKSUM: 'fetch', UNPACKED_CHECKSUM: `sha512:${sums(image).sha512}` })
    t.match(first.outcome, /written to/)
    t.match(first.lines[0], new RegExp(`sha256 ${sha256}$`))
    t.match((await go('b.img', { CHECKSUM: 'fetch' })).outcome, /written to/)
    t.match((await go('b.img', { CHECKSUM: `${at}/SHA256SUMS` })).outcome, /written to/)
    t.match(
      (await go('a.img', { CHECKSUM: `${at}/SHA256SUMS` })).outcome,
      /a\.img.* has SHA-256 .*, 0{64} expected/,
    )
    t.match(
      (await go('c.img', { CHECKSUM: 'fetch' })).outcome,
      /c.img.sha256.* is not there; .*sha512.* is not there/,
    )
    const wrong = await go('a.img', { UNPACKED_CHECKSUM: '0'.repeat(128) })
    t.match(wrong.outcome, /what .* unpacks to has SHA-512 .* expected; the disk was left without/)
    t.ok(readFileSync(DEST_DISK).subarray(0, mebibyte).equals(Buffer.alloc(mebibyte)))
  },
)
