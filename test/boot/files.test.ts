import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { binaryFile, decodePath, ipxeBinaries, rootFile, tftpFile } from '../../src/boot/files.ts'
import type { BootFile } from '../../src/boot/files.ts'
import { bootFiles } from '../../src/boot/open.ts'
import { silent, texts } from './things.ts'

const ipxe = (path: string): BootFile => ({ root: 'ipxe', path })
const trace = '-00-23b1e307bb35484f535a1f772c06910e-d887dc3912240434-01'

const tftp: { name: string; asked: string; want: BootFile | undefined }[] = [
  { name: 'a bare name', asked: 'undionly.kpxe', want: ipxe('undionly.kpxe') },
  { name: 'a MAC before the name', asked: '52:54:00:00:00:01/ipxe.efi', want: ipxe('ipxe.efi') },
  { name: 'directories before the name', asked: '/some/where/snponly.efi', want: ipxe('snponly.efi') },
  { name: 'a trace behind the name', asked: `52:54:00:00:00:01/ipxe.efi${trace}`, want: ipxe('ipxe.efi') },
  { name: "Tinkerbell's name of the arm64 binary", asked: 'snp-arm64.efi', want: ipxe('ipxe-arm64.efi') },
  { name: "Tinkerbell's name of the x86 SNP binary", asked: 'snp-x86_64.efi', want: ipxe('snponly.efi') },
  { name: 'a binary the operator put there', asked: 'shimx64.efi', want: ipxe('shimx64.efi') },
  {
    name: 'autoexec.ipxe, wherever it is asked for',
    asked: '52:54:00:00:00:01/autoexec.ipxe',
    want: { root: 'text', path: 'autoexec.ipxe' },
  },
  {
    name: 'a kernel of the OS directory',
    asked: 'os/vmlinuz-x86_64',
    want: { root: 'os', path: 'vmlinuz-x86_64' },
  },
  {
    name: 'a name that says not to netboot',
    asked: '/netboot-not-allowed',
    want: ipxe('netboot-not-allowed'),
  },
  ...[
    '',
    '/',
    'x/',
    '../ipxe.efi',
    'a/../ipxe.efi',
    '..',
    '.',
    '.hidden',
    'os/../ipxe.efi',
    'os/',
    'a\0b',
    'a\nb',
    'a\\b',
    'ä',
    'x'.repeat(256),
    '%2e%2e/x',
  ].map((asked) => ({
    name: `the hostile name ${JSON.stringify(asked.slice(0, 20))}`,
    asked,
    want: undefined,
  })),
]
for (const { name, asked, want } of tftp)
  t.test(`by TFTP: ${name}`, async (t) => t.strictSame(tftpFile(asked), want))

t.test('prototype names are not aliases', async (t) =>
  t.strictSame(binaryFile('constructor'), ipxe('constructor')),
)
t.test('below a root, paths keep their directories', async (t) => {
  t.strictSame(rootFile('image', 'debian/12.img.zst'), { root: 'image', path: 'debian/12.img.zst' })
  for (const path of ['../x', 'a//b', '/etc/passwd', 'a/./b', 'a/.git/b', ''])
    t.equal(rootFile('image', path), undefined, path)
})
t.test('percent escapes are decoded once', async (t) => {
  t.equal(decodePath('%252e%2e'), '%2e.')
  t.equal(decodePath('%'), undefined)
})
t.test('every alias stands for a binary of the table', async (t) => {
  for (const real of Object.values(ipxeBinaries)) t.equal(ipxeBinaries[real], real)
})

t.test('opening files', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'ironwake-files-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const [ipxeDir, osDir, imageDir] = ['ipxe', 'os', 'images'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ]
  for (const made of [ipxeDir, osDir, imageDir]) await mkdir(made)
  await writeFile(join(ipxeDir, 'ipxe.efi'), 'binary')
  await writeFile(join(dir, 'secret'), 'secret')
  await writeFile(join(osDir, 'vmlinuz-6.12'), 'kernel')
  await symlink('vmlinuz-6.12', join(osDir, 'vmlinuz-x86_64'))
  await symlink('../secret', join(osDir, 'outside'))
  await symlink('..', join(osDir, 'up'))
  await symlink('loop', join(osDir, 'loop'))
  await mkdir(join(osDir, 'directory'))
  execFileSync('mkfifo', [join(osDir, 'pipe')])
  const files = bootFiles({ ipxeDir, osDir, imageDir, texts, log: silent })
  const contents = async (name: string) => {
    const file = await files.openBootFile(name)
    if (!file) return undefined
    const bytes = await file.read(0, file.size + 10)
    await file.close()
    return Buffer.from(bytes).toString()
  }
  t.equal(await contents('a/b/ipxe.efi'), 'binary')
  t.equal(await contents('os/vmlinuz-x86_64'), 'kernel', 'a link that stays below its root is followed')
  t.equal(await contents('autoexec.ipxe'), texts.autoexec)
  for (const name of [
    'os/outside',
    'os/up/secret',
    'os/loop',
    'os/directory',
    'os/pipe',
    'os/none',
    'os/vmlinuz-6.12/x',
    'none',
  ])
    t.equal(await contents(name), undefined, `${name} is not served`)
  const file = (await files.openBootFile('ipxe.efi'))!
  t.equal(Buffer.from(await file.read(2, 3)).toString(), 'nar')
  t.equal((await file.read(6, 10)).length, 0, 'nothing is behind the end')
  t.equal((await file.read(600, 10)).length, 0)
  await file.close()
})
