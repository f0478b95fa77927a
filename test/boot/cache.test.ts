import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { bytesOf, cacheService, clock, etag, image, sha256, upstreamsOf } from './cache-service.ts'
import { curl, run } from './service.ts'
import { serving, upstreamOf } from './upstream.ts'

t.test('fifty clients at once are one request to the upstream, and each gets every byte', async (t) => {
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  const upstream = await upstreamOf(t, {
    '/d/disk.img': (_request, response) => {
      response.writeHead(200, { 'content-length': image.length, etag })
      response.write(image.subarray(0, 1_000_000))
      void held.then(() => response.end(image.subarray(1_000_000)))
    },
  })
  const { get, base } = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`))
  const all = Array.from({ length: 50 }, () => get('d/disk.img'))
  const early = await curl('-r', '500000-599999', `${base}/images/cache/d/disk.img`)
  t.equal(early.status, 206, 'what has come is given while the rest is on its way')
  t.ok(bytesOf(early).equals(image.subarray(500_000, 600_000)))
  release()
  const answers = await Promise.all(all)
  t.ok(answers.every((answer) => answer.status === 200 && bytesOf(answer).equals(image)))
  t.equal(upstream.asked('/d/disk.img').length, 1)
  t.ok(bytesOf(await get('d/disk.img')).equals(image))
  t.equal(upstream.asked('/d/disk.img').length, 1, 'and it is kept')
})

t.test('ranges, HEAD and conditions are those of any file', async (t) => {
  const upstream = await upstreamOf(t, { '/one': serving(image, { etag }) })
  const { base } = await cacheService(t, upstreamsOf(`one=${upstream.url}/one`))
  const url = `${base}/images/cache/one`
  const head = await run('curl', '-sSI', url)
  t.match(head, `content-length: ${image.length}`)
  const tag = /etag: (\S+)/.exec(head)![1]!
  t.ok(bytesOf(await curl('-r', '-5', url)).equals(image.subarray(-5)))
  t.equal((await curl('-H', `If-None-Match: ${tag}`, url)).status, 304)
  t.equal((await curl('-r', `${image.length}-`, url)).status, 416)
})

t.test('an upstream is asked whether its image has changed, and need not answer', async (t) => {
  let bytes = image
  let tag = '"1"'
  const upstream = await upstreamOf(t, {
    '/d/x': (request, response) => serving(bytes, { etag: tag })(request, response),
  })
  let now = Date.now()
  const { get } = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`), {
    clock: { ...clock, now: () => now },
    checksums: false,
  })
  await get('d/x')
  await get('d/x')
  t.equal(upstream.requests.length, 1)
  now += 61_000
  t.ok(bytesOf(await get('d/x')).equals(image))
  t.equal(upstream.requests.at(-1)!.headers['if-none-match'], '"1"')
  t.equal(upstream.requests.length, 2, 'it is asked, and says that nothing changed')
  now += 61_000
  bytes = randomBytes(1000)
  tag = '"2"'
  t.ok(bytesOf(await get('d/x')).equals(bytes))
  now += 61_000
  await upstream.close()
  t.ok(bytesOf(await get('d/x')).equals(bytes), 'the upstream is off, machines install all the same')
})

t.test('images used longest ago leave when the cache is full', async (t) => {
  const part = (octet: number) => Buffer.alloc(1_000_000, octet)
  const upstream = await upstreamOf(t, {
    '/d/a': serving(part(1), { etag }),
    '/d/b': serving(part(2), { etag }),
    '/d/c': serving(part(3), { etag }),
    '/d/huge': serving(Buffer.alloc(3_000_000), { etag }),
  })
  let now = 1_000_000
  const directory = join(t.testdir({}), 'cache')
  const { get } = await cacheService(
    t,
    upstreamsOf(`d=${upstream.url}/d/`),
    { maxBytes: 2_500_000, clock: { ...clock, now: () => (now += 1) }, checksums: false },
    directory,
  )
  for (const name of ['a', 'b', 'a', 'c', 'a']) t.equal((await get(`d/${name}`)).status, 200, name)
  t.equal(upstream.asked('/d/a').length, 1, 'a was used since')
  await get('d/b')
  t.equal(upstream.asked('/d/b').length, 2, 'b had left')
  t.match(await get('d/huge'), { status: 507, body: /the image cache is full/ })
  t.equal((await readdir(directory)).length, 4, 'two images')
})

t.test('what was there before a restart is given, and what is no longer right is not', async (t) => {
  const upstream = await upstreamOf(t, { '/d/a': serving(image, { etag }), '/d/b': serving(image, { etag }) })
  const directory = join(t.testdir({}), 'cache')
  const before = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`), { checksums: false }, directory)
  await before.get('d/a')
  await before.get('d/b')
  await before.cache.close()
  const records = (await readdir(directory)).filter((name) => name.endsWith('.json'))
  for (const name of records) {
    const text = await readFile(join(directory, name), 'utf8')
    if (text.includes('/d/b')) await writeFile(join(directory, name), text.slice(0, 20))
  }
  await writeFile(join(directory, 'notes.txt'), 'not ours')
  const after = await cacheService(t, upstreamsOf(`d=${upstream.url}/d/`), { checksums: false }, directory)
  t.ok(bytesOf(await after.get('d/a')).equals(image))
  t.equal(upstream.asked('/d/a').length, 1)
  t.ok(bytesOf(await after.get('d/b')).equals(image))
  t.equal(upstream.asked('/d/b').length, 2)
  t.ok((await readdir(directory)).includes('notes.txt'))
})

t.test('nginx as upstream', async (t) => {
  if (spawnSync('nginx', ['-v']).error) return t.comment('no nginx')
  const dir = t.testdir({ 'nginx.conf': '', www: {} })
  const socket = await upstreamOf(t, {})
  const { port } = new URL(socket.url)
  await socket.close()
  await writeFile(
    join(dir, 'nginx.conf'),
    `daemon off; pid ${dir}/pid; error_log ${dir}/error.log; events {}
    http { access_log off; client_body_temp_path ${dir}/a; proxy_temp_path ${dir}/b; fastcgi_temp_path ${dir}/c;
      uwsgi_temp_path ${dir}/d; scgi_temp_path ${dir}/e; server { listen 127.0.0.1:${port}; root ${dir}/www; } }`,
  )
  await writeFile(join(dir, 'www', 'disk.img'), image)
  await writeFile(join(dir, 'www', 'disk.img.sha256'), `${sha256(image)}  disk.img\n`)
  const nginx = spawn('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-g', 'user root;'], {
    stdio: 'ignore',
  })
  t.teardown(async () => {
    nginx.kill()
    await once(nginx, 'exit')
  })
  const url = `http://127.0.0.1:${port}/`
  for (let round = 0; round < 100; round += 1) {
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      break
    await systemClock.sleep(20)
  }
  const { get } = await cacheService(t, upstreamsOf(`d=${url}`), { freshMs: 0 }, join(dir, 'cache'))
  for (let round = 0; round < 2; round += 1) t.ok(bytesOf(await get('d/disk.img')).equals(image))
  t.equal((await stat(join(dir, 'www', 'disk.img'))).size, image.length)
  await rm(join(dir, 'www', 'disk.img'))
  t.equal((await get('d/disk.img')).status, 404)
})
