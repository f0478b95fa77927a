import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openImageCache } from '../../src/boot/cache.ts'
import { bytesOf, cacheService, clock, etag, image, upstreamsOf } from './cache-service.ts'
import { bootService, curl } from './service.ts'
import { mac, machineOf, silent } from './things.ts'
import { serving, upstreamOf } from './upstream.ts'

t.test('an upstream may redirect ten times, and not into this machine', async (t) => {
  const upstream = await upstreamOf(t, { '/d/10': serving(image, { etag }) })
  const { url } = upstream
  for (let hop = -1; hop < 10; hop += 1)
    upstream.answers[`/d/${hop}`] = (_request, response) =>
      void response.writeHead(302, { location: `/d/${hop + 1}` }).end()
  const { port } = new URL(url)
  for (const [name, location] of Object.entries({
    name: `http://localhost:${port}/d/10`,
    six: `http://[::1]:${port}/d/10`,
    mapped: `http://[::ffff:127.0.0.1]:${port}/d/10`,
    near: 'http://169.254.169.254/latest/meta-data/',
    file: 'file:///etc/passwd',
  }))
    upstream.answers[`/d/${name}`] = (_request, response) => void response.writeHead(302, { location }).end()
  const { get } = await cacheService(t, upstreamsOf(`d=${url}/d/`), { checksums: false })
  t.ok(bytesOf(await get('d/0')).equals(image))
  t.match(await get('d/-1'), { status: 503, body: /redirects more than 10 times/ })
  for (const name of ['name', 'six', 'mapped', 'near', 'file'])
    t.match(await get(`d/${name}`), { status: 502, body: /which is not asked/ }, name)
})

t.test('nothing but what is below an upstream can be asked for', async (t) => {
  const upstream = await upstreamOf(t, { '/d/x': serving(image, { etag }), '/secret': serving(image) })
  const { get } = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`, `one=${upstream.url}/d/x`))
  for (const path of [
    'd/../secret',
    'd/%2e%2e/secret',
    'd/..%2fsecret',
    'd/%2e%2e%2fsecret',
    'd//secret',
    'd/',
    'd',
    '',
    'one/x',
    'one/../../secret',
    'http://127.0.0.1/x',
    '@127.0.0.1/x',
    'd/x%00',
    'd/x%3fy',
    'd/x%23y',
  ])
    t.equal((await get(path)).status, 404, path)
  t.equal(upstream.requests.length, 0)
})

t.test(
  'an ISO image of an upstream is patched, and one of this machine is not fetched for a Hardware',
  async (t) => {
    const upstream = await upstreamOf(t, {
      '/hook.iso': serving(Buffer.from(`..@@ARGUMENTS-GO-HERE${'#'.repeat(900)}..`), { etag }),
    })
    const cache = await openImageCache({
      directory: join(t.testdir({}), 'cache'),
      upstreams: [],
      maxBytes: 1024 ** 3,
      freshMs: 0,
      checksums: false,
      clock,
      log: silent,
    })
    t.teardown(() => cache.close())
    const start = `@@ARGUMENTS-GO-HERE${'#'.repeat(900)}`
    const placeholder = { start, end: '', length: start.length }
    const source = `${upstream.url}/hook.iso`
    const iso = { source, placeholder, staticIpam: false }
    const { base } = await bootService(t, { cache, iso })
    const { status, body } = await curl(`${base}/iso/${mac}/x.iso`)
    t.equal(status, 200)
    t.match(body, /^\.\.console=\S+ .* worker_id=52:54:00:00:00:01 +\.\.$/)
    const { base: other } = await bootService(t, {
      cache,
      iso: { ...iso, source: '' },
      machineByMac: () => machineOf({ isoSource: source.replace('hook', 'own') }),
    })
    t.match(await curl(`${other}/iso/${mac}/x.iso`), { status: 502, body: /which is not asked/ })
  },
)

t.test(
  'files that lead out of their folder are not there, in the folder of images and elsewhere',
  async (t) => {
    const { base, dir, imageDir } = await bootService(t)
    await writeFile(join(dir, 'secret'), 'secret')
    await mkdir(join(dir, 'images-beside'))
    await writeFile(join(dir, 'images-beside', 'secret'), 'secret')
    await symlink('/etc', join(imageDir, 'etc'))
    await symlink(join(dir, 'secret'), join(imageDir, 'link'))
    await symlink('../images-beside/secret', join(imageDir, 'beside'))
    await symlink('disk.img', join(imageDir, 'inside'))
    for (const path of ['etc/passwd', 'link', 'beside'])
      t.equal((await curl(`${base}/images/${path}`)).status, 404, path)
    t.equal((await curl(`${base}/images/inside`)).status, 200)
  },
)
