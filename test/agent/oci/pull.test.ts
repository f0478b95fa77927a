import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { systemCommands } from '../../../src/agent/commands.ts'
import { findImage, imageConfig, unpackImage } from '../../../src/agent/oci/pull.ts'
import type { RegistrySettings } from '../../../src/agent/oci/settings.ts'
import { systemClock } from '../../../src/model/clock.ts'
import { noLoopDevices, ownFolder } from '../loop.ts'
import { imageOf, indexOf, layerOf, layers } from './images.ts'
import { login, noRegistry, registry } from './registry.ts'

const skip = noRegistry() || noLoopDevices()

type Tree = Record<string, string | null | { link: string }>

/** A folder with these files; `null` stands for a folder. */
function tree(t: Test, files: Tree): string {
  const folder = ownFolder(t)
  for (const [path, what] of Object.entries(files)) {
    const place = join(folder, path)
    mkdirSync(what === null ? place : dirname(place), { recursive: true })
    if (typeof what === 'string') writeFileSync(place, what)
    else if (what !== null) symlinkSync(what.link, place)
  }
  return folder
}

const layer = (t: Test, files: Tree) => layerOf(tree(t, files))

/** Every file of a folder with its contents. */
function files(folder: string): Record<string, string> {
  const names = execFileSync('find', [folder, '-type', 'f', '-printf', '%P\n'], { encoding: 'utf8' })
  const paths = names.split('\n').filter(Boolean).sort()
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]))
}

type Options = { registries?: RegistrySettings[]; trusted?: string[]; architecture?: string }

async function pull(t: Test, image: string, options: Options = {}) {
  const lines: string[] = []
  const log = (line: string) => lines.push(line)
  const { signal } = new AbortController()
  const { registries = [], trusted = [], architecture = 'amd64' } = options
  const found = await findImage(image, architecture, { clock: systemClock, signal, log, registries, trusted })
  const config = await imageConfig(found, architecture)
  const folder = ownFolder(t)
  const progress: [number, number][] = []
  const unpacked = await unpackImage(found, folder, {
    commands: systemCommands,
    signal,
    log,
    progress: (done, total) => progress.push([done, total]),
  })
  return { found, config, folder, unpacked, lines, progress, files: files(folder) }
}

const simple = (t: Test, text: string, architecture = 'amd64') =>
  imageOf({
    layers: [layers.gzip(layer(t, { 'etc/text': text }))],
    config: { Cmd: ['/bin/x'] },
    architecture,
  })

t.test(
  'an image is pulled by tag and by digest, whatever its layers are packed with',
  { skip },
  async (t) => {
    const { host, push } = await registry(t)
    const { blobs, manifest } = imageOf({
      layers: [
        layers.tar(layer(t, { 'etc/one': '1' })),
        layers.gzip(layer(t, { 'etc/two': '2' })),
        layers.zstd(layer(t, { 'etc/three': '3' })),
      ],
      config: { Entrypoint: ['/bin/go'], Cmd: ['a', 'b'], Env: ['X=1'], User: '7', WorkingDir: '/etc' },
    })
    await push('some/where/image', 'v1', blobs, [manifest])
    const byTag = await pull(t, `${host}/some/where/image:v1`)
    t.same(byTag.files, { 'etc/one': '1', 'etc/three': '3', 'etc/two': '2' })
    t.match(byTag.config, {
      entrypoint: ['/bin/go'],
      command: ['a', 'b'],
      environment: ['X=1'],
      user: '7',
      folder: '/etc',
    })
    const total = blobs.slice(1).reduce((sum, { size }) => sum + size, 0)
    t.same(byTag.progress.at(-1), [total, total])
    const byDigest = await pull(t, `${host}/some/where/image:other@${manifest.digest}`)
    t.same(byDigest.files, byTag.files)
    t.equal(byDigest.found.digest, manifest.digest)
  },
)

t.test(
  'of an index comes the image for this processor, and others are named when there is none',
  { skip },
  async (t) => {
    const { host, push } = await registry(t)
    const [amd, arm] = [simple(t, 'amd'), simple(t, 'arm', 'arm64')]
    const index = indexOf([
      { manifest: arm.manifest, architecture: 'arm64', variant: 'v8' },
      { manifest: amd.manifest, architecture: 'amd64' },
    ])
    await push('multi', 'latest', [...amd.blobs, ...arm.blobs], [amd.manifest, arm.manifest, index])
    t.same((await pull(t, `${host}/multi`)).files, { 'etc/text': 'amd' })
    t.same((await pull(t, `${host}/multi`, { architecture: 'arm64' })).files, { 'etc/text': 'arm' })
    await t.rejects(pull(t, `${host}/multi`, { architecture: 's390x' }), {
      message: `${host}/multi:latest is not there for linux/s390x: there are linux/arm64, linux/amd64`,
    })
    await push('single', 'latest', arm.blobs, [arm.manifest])
    await t.rejects(pull(t, `${host}/single`), /is for linux\/arm64, and this machine is linux\/amd64/)
  },
)

t.test('whiteouts take away what lies below, and nothing of their own layer', { skip }, async (t) => {
  const { host, push } = await registry(t)
  const base = layer(t, {
    'a/one': 'old',
    'a/two': 'old',
    'b/one': 'old',
    'b/sub/two': 'old',
    'c/one': 'old',
    d: 'a file',
    'e/f': 'in a folder',
    'lib64/x': 'old',
    abs: { link: '/lib64' },
  })
  const next = layer(t, {
    'a/.wh.one': '',
    'b/.wh..wh..opq': '',
    'b/new': 'new',
    '.wh.c': '',
    'd/now': 'a folder',
    e: 'now a file',
    '.wh..wh.plnk': 'aufs',
  })
  const last = layer(t, {
    'c/two': 'back',
    'a/.wh.missing': '',
    '.wh.abs': '',
    'lib64/.wh.x': '',
    'lib64/y': 'new',
  })
  const { blobs, manifest } = imageOf({ layers: [base, next, last].map(layers.gzip), config: {} })
  await push('layered', '1', blobs, [manifest])
  const { files, folder } = await pull(t, `${host}/layered:1`)
  t.same(files, {
    'a/two': 'old',
    'b/new': 'new',
    'c/two': 'back',
    'd/now': 'a folder',
    e: 'now a file',
    'lib64/y': 'new',
  })
  t.notOk(readdirSync(folder).includes('abs'))
})

t.test('an opaque whiteout behind the files of its layer leaves them', { skip }, async (t) => {
  const { host, push } = await registry(t)
  const top = tree(t, { 'b/deep/new': 'new', 'b/.wh..wh..opq': '' })
  const ordered = execFileSync('tar', ['-C', top, '-cf', '-', 'b/deep/new', 'b/.wh..wh..opq'])
  const { blobs, manifest } = imageOf({
    layers: [layers.gzip(layer(t, { 'b/deep/old': 'old', 'b/x': 'old' })), layers.gzip(ordered)],
    config: {},
  })
  await push('opaque', '1', blobs, [manifest])
  t.same((await pull(t, `${host}/opaque:1`)).files, { 'b/deep/new': 'new', 'b/deep/old': 'old' })
})

t.test('what a registry does not have, or does not give, is said', { skip }, async (t) => {
  const { host, push, folder } = await registry(t)
  const { blobs, manifest } = simple(t, 'x')
  await push('there', 'v1', blobs, [manifest])
  await t.rejects(pull(t, `${host}/there:v2`), {
    message: `${host}/there:v2: the registry has no such tag, or no such repository`,
  })
  await t.rejects(pull(t, `${host}/missing:v1`), /missing:v1: the registry has no such tag/)
  const wrong = `sha256:${'0'.repeat(64)}`
  await t.rejects(pull(t, `${host}/there@${wrong}`), /there@sha256:0+: the registry has no such digest/)
  const kept = (digest: string) =>
    join(folder, 'docker/registry/v2/blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data')
  const [, packed] = blobs
  writeFileSync(kept(packed!.digest), Buffer.from(packed!.bytes).fill(1, 20, 30))
  await t.rejects(pull(t, `${host}/there:v1`), /layer sha256:.*(sent something else|damaged)/)
  const other = layers.gzip(layer(t, { 'etc/evil': 'x' }))
  writeFileSync(kept(packed!.digest), other.bytes)
  await t.rejects(pull(t, `${host}/there:v1`), /sent something else|longer than/)
})

t.test('a name that is none is told from an image that is missing', { skip }, async (t) => {
  await t.rejects(pull(t, 'Alpine'), /"Alpine" is no name of a repository/)
  await t.rejects(pull(t, 'a.b/c@sha256:12'), /"sha256:12" is no digest/)
  await t.rejects(pull(t, 'a.b/c:-'), /"-" is no tag/)
})

for (const auth of ['basic', 'token'] as const) {
  t.test(`a registry that wants a ${auth} login gets it, or says who was refused`, { skip }, async (t) => {
    const open = await registry(t)
    const { blobs, manifest } = simple(t, 'secret')
    await open.push('private/image', 'v1', blobs, [manifest])
    const { host } = await registry(t, { folder: open.folder, auth })
    const image = `${host}/private/image:v1`
    const pulled = await pull(t, image, { registries: [{ host, ...login }] })
    t.same(pulled.files, { 'etc/text': 'secret' })
    await t.rejects(pull(t, image), /refused access without a user name \(401\)/)
    const registries = [{ host, username: 'anna', password: 'wrong' }]
    await t.rejects(pull(t, image, { registries }), /refused access user "anna" \(401\): a wrong password/)
    t.same(
      (await pull(t, image, { registries: [{ host: 'other' }, { host, ...login }] })).files,
      pulled.files,
    )
  })
}

t.test('HTTPS is trusted when its CA is known, and plain HTTP is not taken for it', { skip }, async (t) => {
  const open = await registry(t)
  const { blobs, manifest } = simple(t, 'x')
  await open.push('image', 'v1', blobs, [manifest])
  const { host, ca } = await registry(t, { folder: open.folder, tls: true })
  const image = `${host}/image:v1`
  const strict = { host, insecure: false }
  t.same((await pull(t, image, { registries: [{ ...strict, ca }] })).files, { 'etc/text': 'x' })
  t.same((await pull(t, image, { registries: [strict], trusted: [ca] })).files, { 'etc/text': 'x' })
  t.same((await pull(t, image)).files, { 'etc/text': 'x' }, 'on this machine itself any certificate will do')
  await t.rejects(pull(t, image, { registries: [strict] }), /its certificate is not trusted/)
  const plain = `${open.host}/image:v1`
  await t.rejects(
    pull(t, plain, { registries: [{ host: open.host, insecure: false }] }),
    /does not speak HTTPS there, but probably plain HTTP/,
  )
})

t.test(
  'a layer whose transfer breaks goes on, and the CDN behind a redirect gets no password',
  { skip },
  async (t) => {
    const open = await registry(t)
    const text = Array.from({ length: 300_000 }, (_, at) => `${at * 7919}`).join(' ')
    const { blobs, manifest } = simple(t, text)
    await open.push('image', 'v1', blobs, [manifest])
    const basic = await registry(t, { folder: open.folder, auth: 'basic' })
    const seen: (string | undefined)[] = []
    let breaks = 2
    const cdn = createServer((incoming, response) => {
      seen.push(incoming.headers.authorization)
      const [, port] = open.host.split(':')
      const onward = request(
        { port, path: incoming.url, headers: { ...incoming.headers, host: open.host } },
        (answer) => {
          response.writeHead(answer.statusCode ?? 0, answer.headers)
          if (Number(answer.headers['content-length']) < 100_000 || breaks-- <= 0)
            return answer.pipe(response)
          return answer.once('data', (part: Buffer) =>
            response.write(part, () => setTimeout(() => response.destroy(), 20)),
          )
        },
      )
      onward.end()
    })
    const front = createServer((incoming, response) => {
      if (/\/blobs\//.test(incoming.url ?? '')) {
        const to = `http://127.0.0.1:${(cdn.address() as AddressInfo).port}${incoming.url}`
        return response.writeHead(incoming.headers.authorization ? 307 : 401, { location: to }).end()
      }
      const [, port] = basic.host.split(':')
      return request(
        { port, path: incoming.url, headers: { ...incoming.headers, host: basic.host } },
        (answer) => {
          response.writeHead(answer.statusCode ?? 0, answer.headers)
          answer.pipe(response)
        },
      ).end()
    })
    for (const server of [cdn, front]) {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      t.teardown(() => (server.closeAllConnections(), server.close()))
    }
    const host = `127.0.0.1:${(front.address() as AddressInfo).port}`
    const { files, lines } = await pull(t, `${host}/image:v1`, { registries: [{ host, ...login }] })
    t.equal(files['etc/text'], text)
    t.equal(lines.filter((line) => /connection broke at byte/.test(line)).length, 2)
    t.ok(seen.length >= 3 && seen.every((header) => header === undefined))
  },
)

t.test('what is no image of a container is not run', { skip }, async (t) => {
  const { host, push } = await registry(t)
  const { blobs } = simple(t, 'x')
  const { manifestOf, blobOf } = await import('./images.ts')
  const config = blobOf(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json')
  const manifest = manifestOf(config, [blobs[1]!])
  await push('artifact', '1', [config, blobs[1]!], [manifest])
  await t.rejects(
    pull(t, `${host}/artifact:1`),
    /no image of a container but of type "application\/vnd.oci.empty/,
  )
})

t.test('a pull that is stopped leaves at once', { skip }, async (t) => {
  const silent = createServer(() => undefined)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => (silent.closeAllConnections(), silent.close()))
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('cancelled')), 100)
  const { port } = silent.address() as AddressInfo
  const deps = { clock: systemClock, signal: stop.signal, log: () => undefined, registries: [], trusted: [] }
  await t.rejects(findImage(`127.0.0.1:${port}/x`, 'amd64', deps), /cancelled/)
})
