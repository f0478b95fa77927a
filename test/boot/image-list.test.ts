import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, open, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { kindBytes, kindOf } from '../../src/boot/image-kind.ts'
import { listImages } from '../../src/boot/image-list.ts'
import { bootFiles } from '../../src/boot/open.ts'
import { upstreamPath } from '../../src/boot/upstreams.ts'
import { absent } from '../interop/spaces.ts'
import { cacheService, etag, image, sha256, upstreamsOf } from './cache-service.ts'
import { silent, texts } from './things.ts'
import { serving, upstreamOf } from './upstream.ts'

const none = { list: async () => [] }
const sum = 'a'.repeat(64)

t.test('what is in the folder, and only what may be asked for', async (t) => {
  const dir = t.testdir({
    images: {
      'disk.img.gz': gzipSync('disk'),
      'disk.img.gz.sha256': `${sum}  disk.img.gz\n`,
      'empty.raw': '',
      'notes.md': 'plain text\n',
      '.hidden': 'x',
      'odd"name': 'x',
      sub: { deep: { 'a.img': Buffer.alloc(2000) } },
    },
    outside: 'secret',
  })
  await symlink('disk.img.gz', join(dir, 'images', 'latest.gz'))
  await symlink('../outside', join(dir, 'images', 'leak'))
  const imageDir = join(dir, 'images')
  const files = bootFiles({ ipxeDir: dir, osDir: dir, imageDir, texts, log: silent })
  const found = await listImages(imageDir, files, none)
  t.match(found, [
    { name: 'disk.img.gz', from: 'folder', size: gzipSync('disk').length, kind: 'gzip', sha256: sum },
    { name: 'empty.raw', size: 0, kind: 'empty' },
    { name: 'latest.gz', kind: 'gzip' },
    { name: 'notes.md', kind: 'text' },
    { name: 'sub/deep/a.img', size: 2000, kind: 'unknown' },
  ])
  t.equal(found.length, 5)
  t.match(found[0]!.modified, /^\d{4}-\d\d-\d\dT/)
  t.same(await listImages(join(dir, 'nowhere'), files, none), [])
})

t.test('what the cache has pulled, and what is still on its way', async (t) => {
  const endless = Buffer.alloc(4096, 1)
  const upstream = await upstreamOf(t, {
    '/images/golden%20one.img': serving(image, { etag }),
    '/single': (_request, response) => {
      response.writeHead(200, { 'content-length': 100_000, etag })
      response.write(endless)
    },
  })
  const { cache, get } = await cacheService(
    t,
    upstreamsOf(`deb=${upstream.url}/images/`, `one=${upstream.url}/single`),
  )
  await get('deb/golden%20one.img')
  const opened = await cache.openPath('one')
  t.ok(opened && 'size' in opened)
  const listed = async () => (await cache.list()).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  t.match(await listed(), [
    { name: 'cache/deb/golden one.img', from: 'cache', size: image.length, sha256: sha256(image) },
    { name: 'cache/one', from: 'cache', size: 100_000, have: Number, sha256: undefined },
  ])
  if (opened && 'close' in opened) await opened.close()
})

t.test('the name of a pulled image is what it is asked for by', async (t) => {
  const upstreams = upstreamsOf('a=http://x/d/', 'b=http://x/d.img?k=1')
  t.equal(upstreamPath(upstreams, 'http://x/d/e%20f/g'), 'a/e f/g')
  t.equal(upstreamPath(upstreams, 'http://x/d.img?k=1'), 'b')
  for (const url of ['http://x/d/', 'http://x/d/%zz', 'http://y/d/e'])
    t.equal(upstreamPath(upstreams, url), undefined)
})

type Made = { kind: string; tool: string; make(path: string): void }
const run = (program: string, ...words: string[]) => void execFileSync(program, words, { stdio: 'ignore' })
const made: Made[] = [
  ...(['qcow2', 'vmdk', 'vhdx'] as const).map((kind) => ({
    kind,
    tool: 'qemu-img',
    make: (path: string) => run('qemu-img', 'create', '-q', '-f', kind, path, '4M'),
  })),
  { kind: 'ext', tool: 'mkfs.ext4', make: (path) => run('mkfs.ext4', '-q', '-F', path, '4M') },
  {
    kind: 'disk, gpt',
    tool: 'sfdisk',
    make: (path) => void execFileSync('sfdisk', ['-q', path], { input: 'label: gpt\n,\n', stdio: 'pipe' }),
  },
  {
    kind: 'disk, mbr',
    tool: 'sfdisk',
    make: (path) => void execFileSync('sfdisk', ['-q', path], { input: 'label: dos\n,\n', stdio: 'pipe' }),
  },
  { kind: 'zstd', tool: 'zstd', make: (path) => run('sh', '-c', `echo x | zstd -q -c > '${path}'`) },
  { kind: 'xz', tool: 'xz', make: (path) => run('sh', '-c', `echo x | xz -c > '${path}'`) },
  {
    kind: 'iso',
    tool: 'xorriso',
    make: (path) => run('sh', '-c', `rm '${path}'; xorriso -outdev '${path}' -map /etc/hostname /a -commit`),
  },
  { kind: 'tar', tool: 'tar', make: (path) => run('tar', '-cf', path, '/etc/hostname') },
  { kind: 'elf', tool: 'sh', make: (path) => run('cp', process.execPath, path) },
]
for (const { kind, tool, make } of made)
  t.test(`a file made by ${tool} is known as ${kind}`, { skip: await absent(tool) }, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'ironwake-kind-'))
    t.teardown(() => rm(dir, { recursive: true }))
    await mkdir(join(dir, 'a'))
    const path = join(dir, 'a', 'image')
    await writeFile(path, '')
    await truncate(path, 4 * 1024 * 1024)
    make(path)
    const file = await open(path)
    const head = Buffer.alloc(kindBytes)
    const { bytesRead } = await file.read(head, 0, head.length, 0)
    await file.close()
    t.equal(kindOf(head.subarray(0, bytesRead)), kind)
  })

t.test('short and odd files have a kind too', async (t) => {
  const cases: [Uint8Array, string][] = [
    [Buffer.alloc(0), 'empty'],
    [Buffer.from('<!doctype html><p>404'), 'html'],
    [Buffer.from([0x1f]), 'unknown'],
    [Buffer.from('MZ\0'), 'efi'],
    [await readFile(new URL(import.meta.url)), 'text'],
  ]
  for (const [bytes, want] of cases) t.equal(kindOf(bytes), want)
})
