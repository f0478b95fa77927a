import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bytesOf, cacheService, etag, image, sha256, upstreamsOf } from './cache-service.ts'
import { run } from './service.ts'
import { serving, upstreamOf } from './upstream.ts'

const program = fileURLToPath(new URL('cache-program.ts', import.meta.url))

t.test('an upstream that breaks off again and again is gone on with where it ended', async (t) => {
  for (const ranges of [true, false]) {
    const ends = [1_500_000, ranges ? 900_000 : 2_500_000, ranges ? 1 : 2_500_001]
    const breakAt = (request: number) => ends[request] ?? Infinity
    const upstream = await upstreamOf(t, { '/d/x': serving(image, { etag, ranges, breakAt }) })
    const { get } = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`))
    t.ok(bytesOf(await get('d/x')).equals(image), `ranges ${ranges}`)
    const asked = upstream.asked('/d/x')
    t.equal(asked.length, 4)
    t.match(asked[1], { range: /^bytes=\d+-$/, headers: { 'if-range': etag } })
    t.ok(Number(/\d+/.exec(asked[1]!.range!)![0]) > 0)
  }
})

t.test('an image that changes while it is fetched is broken off, and never two halves', async (t) => {
  const other = randomBytes(image.length)
  let current = { bytes: image, etag: '"1"' }
  const upstream = await upstreamOf(t, {
    '/d/x': (request, response) => {
      const breakAt = () => (current.etag === '"1"' ? 1_000_000 : Infinity)
      const { bytes, etag: tag } = current
      serving(bytes, { etag: tag, breakAt })(request, response)
      current = { bytes: other, etag: '"2"' }
    },
  })
  const { get } = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`))
  await t.rejects(get('d/x'), 'the connection is cut')
  t.ok(bytesOf(await get('d/x')).equals(other))
})

t.test('an image without any mark is fetched anew, not put together', async (t) => {
  const upstream = await upstreamOf(t, {
    '/d/x': serving(image, { breakAt: (request) => (request === 0 ? 1_000_000 : Infinity) }),
  })
  const { get } = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`))
  await t.rejects(get('d/x'))
  t.ok(bytesOf(await get('d/x')).equals(image))
})

t.test('what upstreams refuse is said in words', async (t) => {
  const upstream = await upstreamOf(t, {
    '/d/broken': (_request, response) => void response.writeHead(500).end(),
    '/d/secret': (_request, response) => void response.writeHead(403).end(),
    '/d/packed': (_request, response) =>
      void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
    '/d/stream': (_request, response) => void response.writeHead(200).end(image),
    '/d/open': (_request, response) => {
      response.writeHead(200, { connection: 'close' })
      response.useChunkedEncodingByDefault = false
      response.removeHeader('transfer-encoding')
      response.end()
    },
  })
  const { get } = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`, 'off=http://127.0.0.1:1/'))
  t.match(await get('d/none'), { status: 404, body: /answers 404/ })
  t.match(await get('d/secret'), { status: 502, body: /answers 403/ })
  t.match(await get('d/broken'), { status: 503, body: /answers 500/ })
  t.equal(upstream.asked('/d/broken').length, 6)
  t.match(await get('d/packed'), { status: 502, body: /another encoding/ })
  t.match(await get('off/x'), { status: 503, body: /ECONNREFUSED/ })
  t.ok(bytesOf(await get('d/stream')).equals(image), 'a size that is told at the end is as good')
  t.equal((await get('nowhere/x')).status, 404)
})

t.test('checksums: of the upstream, and of who asks', async (t) => {
  const upstream = await upstreamOf(t, {
    '/d/good': serving(image, { etag }),
    '/d/good.sha256': serving(Buffer.from(`${'0'.repeat(64)}  other\n${sha256(image)} *good\n`)),
    '/d/bad': serving(image, { etag }),
    '/d/bad.sha256': serving(Buffer.from(sha256(Buffer.from('another')))),
  })
  const { get, cache } = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`))
  t.ok(bytesOf(await get('d/good')).equals(image))
  await t.rejects(get('d/bad'), 'the last bytes are never given')
  t.equal((await get(`d/good?sha256=${sha256(image).toUpperCase()}`)).status, 200)
  t.equal((await get('d/good?sha256=abc')).status, 400)
  t.match(await get(`d/good?sha256=${'1'.repeat(64)}`), { status: 409, body: /has SHA-256/ })
  const opened = await cache.openPath('d/bad')
  if (!opened || 'refused' in opened) return t.fail('it is fetched again')
  t.notOk(await opened.isUnchanged(image.length))
  await opened.close()
})

t.test('a server that is killed in mid-image goes on where it was', async (t) => {
  const big = randomBytes(40 * 1024 * 1024)
  let release = () => {}
  const upstream = await upstreamOf(t, {
    '/d/x': (request, response) => {
      if (request.headers.range) return serving(big, { etag })(request, response)
      response.writeHead(200, { 'content-length': big.length, etag })
      response.write(big.subarray(0, 30 * 1024 * 1024))
      release = () => response.destroy()
    },
  })
  const directory = join(t.testdir({}), 'cache')
  const child = spawn(process.execPath, [
    '--import=tsx',
    program,
    directory,
    `d=${upstream.url}/d/`,
    'd/x',
    '20000000',
  ])
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  t.match(line.toString(), 'reached 20000000')
  child.kill('SIGKILL')
  await once(child, 'exit')
  release()
  const { get } = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`), {}, directory)
  t.ok(bytesOf(await get('d/x')).equals(big))
  const { range, headers } = upstream.asked('/d/x')[1]!
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1])
  t.ok(from >= 8 * 1024 * 1024 && from < big.length, `${from} bytes were not asked for again`)
  t.equal(headers['if-range'], etag)
})

t.test('a full disk is said to be full, and leaves nothing behind', async (t) => {
  const directory = t.testdir({})
  const mount = `mount -t tmpfs -o size=4m none "$1" && exec "$2" --import=tsx "$3" "$1/cache" "$4" d/x 0`
  const upstream = await upstreamOf(t, {
    '/d/x': serving(Buffer.alloc(6_000_000), { etag }),
    '/d/y': (_request, response) => {
      response.writeHead(200, { etag })
      response.end(Buffer.alloc(6_000_000))
    },
  })
  const within = async (path: string) => {
    const words = ['-m', 'sh', '-c', mount.replace('d/x', path), 'sh', directory, process.execPath, program]
    return run('unshare', ...words, `d=${upstream.url}/d/`).catch((error: Error) => error.message)
  }
  if (spawnSync('unshare', ['-m', 'true']).status !== 0) return t.comment('no mount namespaces')
  t.match(await within('d/x'), /refused 507 the disk of the image cache is full/, 'before it begins')
  t.match(await within('d/y'), /refused 507 the disk of the image cache is full[^]*files 0/, 'on the way')
})
