import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { replaceTls } from '../../src/boot/http.ts'
import { bootFiles, openText } from '../../src/boot/open.ts'
import { bootRoutes } from '../../src/boot/routes.ts'
import { trustOf } from '../../src/model/forwarded.ts'
import { parseIp4 } from '../../src/model/ip4.ts'
import { loadOrCreatePki } from '../../src/pki/pki.ts'
import { tftpFiles } from '../../src/tftp/files.ts'
import { bootService, curl, image, run } from './service.ts'
import { loopback, mac, machineOf, silent, texts, workflowOf } from './things.ts'

const dashed = mac.replaceAll(':', '-')

t.test('curl finds scripts and boot programs at their old and new places', async (t) => {
  const { base } = await bootService(t, {}, [workflowOf('w1', 'PENDING')])
  for (const path of [
    `/ipxe/script/${mac}/auto.ipxe`,
    `/ipxe/script/${dashed}/auto.ipxe`,
    '/ipxe/script/auto.ipxe',
    `/${mac}/auto.ipxe`,
    `/${dashed}/auto.ipxe`,
    '/auto.ipxe',
  ]) {
    const { status, body } = await curl(base + path)
    t.equal(status, 200, path)
    t.match(body, /^#!ipxe\n[^]*vmlinuz-x86_64/, path)
  }
  const suffix = `-00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  for (const path of [
    '/ipxe/binary/ipxe.efi',
    `/ipxe/binary/${mac}/ipxe.efi`,
    `/ipxe/binary/${dashed}/ipxe.efi`,
    `/ipxe/binary/some/where/ipxe.efi${suffix}`,
    '/ipxe/ipxe.efi',
    '/tftp/ipxe.efi',
    `/tftp/${mac}/ipxe.efi`,
  ])
    t.strictSame(await curl(base + path), { status: 200, body: 'binary' }, path)
  t.strictSame(await curl('-r', '2-4', `${base}/ipxe/binary/ipxe.efi`), { status: 206, body: 'nar' })
  t.strictSame(await curl(`${base}/tftp/os/vmlinuz-x86_64`), { status: 200, body: 'kernel' })
  t.equal((await curl(`${base}/ipxe/binary/none.efi`)).status, 404)
})

t.test('wget loads a file, and goes on with half of one', async (t) => {
  const { base, dir } = await bootService(t)
  const out = join(dir, 'out')
  await run('wget', '-q', '-O', out, `${base}/images/disk.img`)
  t.ok((await readFile(out)).equals(image))
  await run('truncate', '-s', '1000000', out)
  await run('wget', '-q', '-c', '-O', out, `${base}/images/disk.img`)
  t.ok((await readFile(out)).equals(image))
})

t.test('what is there says which methods it has; what is not there is not found', async (t) => {
  const { base } = await bootService(t)
  for (const { path } of bootRoutes)
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const url = base + path.replace(':mac', mac).replace(':nonce', 'abc').replace('*', 'x')
      const head = await run('curl', '-sS', '-i', '-X', method, '-d', '{}', '-H', 'content-type: a/b', url)
      t.match(head, /^HTTP\/1\.1 405 /, `${method} ${path}`)
      t.match(head, /\r\nallow: GET, HEAD\r\n/i, `${method} ${path}`)
    }
  t.equal((await curl('-X', 'POST', `${base}/nowhere`)).status, 404)
})

t.test('health, by all its names', async (t) => {
  let ready = true
  const { base } = await bootService(t, { ready: () => ready })
  for (const path of ['/healthcheck', '/healthz', '/livez', '/readyz'])
    t.equal((await curl(base + path)).status, 200, path)
  ready = false
  t.equal((await curl(`${base}/healthz`)).status, 200)
  t.equal((await curl(`${base}/readyz`)).status, 503)
})

t.test('unknown machines boot the netboot OS where a setting says so, and only they', async (t) => {
  const stranger = '52:54:00:00:00:99'
  const isTrusted = trustOf(['127.0.0.1'])
  const known = machineOf({ allowPxe: false })
  const { base, recorded } = await bootService(t, {
    unknownMachines: 'netboot-os',
    isTrusted,
    machineByMac: (asked) => (asked === mac ? known : undefined),
  })
  const from = ['-H', 'X-Forwarded-For: 192.0.2.7']
  const scripts = [
    await curl(`${base}/ipxe/script/${stranger}/auto.ipxe`),
    await curl(...from, `${base}/auto.ipxe`),
    await curl(...from, `${base}/ipxe/script/auto.ipxe`),
  ]
  for (const { status, body } of scripts) {
    t.equal(status, 200)
    t.equal(body, scripts[0]!.body, 'the same for all')
    t.match(body, 'iseq ${buildarch} arm64 && set arch aarch64 ||')
    t.match(body, '/os/vmlinuz-${arch} syslog_host=192.168.77.1 grpc_authority=')
    t.match(body, 'worker_id=${mac} hw_addr=${mac} ')
    t.notMatch(body, /facility=|vlan_id=|tinkerbell_insecure_tls=|identity/)
  }
  const { body } = await curl(`${base}/ipxe/script/${mac}/auto.ipxe`)
  t.match(body, 'netboot is not allowed')
  t.notMatch(body, 'vmlinuz')
  t.notOk(recorded.some((entry) => entry.mac === stranger))
  const { base: usual } = await bootService(t, { isTrusted })
  t.notMatch((await curl(`${usual}/ipxe/script/${stranger}/auto.ipxe`)).body, 'vmlinuz')
  t.equal((await curl(...from, `${usual}/auto.ipxe`)).status, 404)
})

t.test('who asks is told by a proxy only where that is trusted', async (t) => {
  const behind = parseIp4('192.0.2.7')!
  const changes = { machineByIp: (ip: unknown) => (ip === behind ? machineOf() : undefined) }
  const ask = async (base: string, ...forwarded: string[]) => {
    const fields = forwarded.flatMap((value) => ['-H', `X-Forwarded-For: ${value}`])
    return (await curl(...fields, `${base}/auto.ipxe`)).status
  }
  const { base: plain } = await bootService(t, changes)
  t.equal(await ask(plain, '192.0.2.7'), 404, 'anybody can say so')
  const { base, recorded } = await bootService(t, {
    ...changes,
    isTrusted: trustOf(['127.0.0.0/8', '198.51.100.1']),
  })
  t.equal(await ask(base, '192.0.2.7'), 200)
  t.equal(await ask(base, '203.0.113.1, 192.0.2.7'), 200, 'what stands before it is a claim')
  t.equal(await ask(base, '192.0.2.7, 198.51.100.1'), 200, 'through two proxies')
  t.equal(await ask(base, '192.0.2.7', '198.51.100.1'), 200, 'in two fields')
  t.equal(await ask(base, '192.0.2.7, 203.0.113.1'), 404)
  t.equal(await ask(base, 'nonsense'), 404)
  t.equal(await ask(base), 404)
  recorded.length = 0
  await curl('-H', 'X-Forwarded-For: 192.0.2.7', `${base}/os/vmlinuz-x86_64`)
  t.match(recorded, [{ mac, stage: 'kernel' }])
})

t.test('curl and wget over HTTPS, for all boot paths', async (t) => {
  const pki = await loadOrCreatePki({
    dataDir: t.testdir({}),
    addresses: ['127.0.0.1'],
    hostnames: ['localhost'],
    clock: { now: () => Date.now() },
  })
  const { base, dir } = await bootService(t, { tls: pki })
  const ca = join(dir, 'ca.pem')
  await writeFile(ca, pki.caPem)
  t.match(await curl('--cacert', ca, `${base}/auto.ipxe`), { status: 200, body: /^#!ipxe/ })
  t.strictSame(await curl('--cacert', ca, `${base}/ipxe/binary/ipxe.efi`), { status: 200, body: 'binary' })
  const out = join(dir, 'out')
  await run('wget', '-q', `--ca-certificate=${ca}`, '-O', out, `${base}/images/disk.img`)
  t.ok((await readFile(out)).equals(image))
  await t.rejects(curl(`${base}/auto.ipxe`), 'a client that does not know the CA refuses')
})

t.test('below /tftp/ are the names that TFTP clients know, for the machine that asks', async (t) => {
  const dir = t.testdir({ assets: { rpi: { 'start4.elf': 'firmware' }, 'grub.cfg': 'of the assets' } })
  const machine = {
    ...machineOf(),
    pxelinuxConfig: 'DEFAULT x',
    rpi: { serialNum: 'abcd1234', firmwarePath: 'rpi' },
  }
  const [ipxeDir, osDir, assetDir] = [join(dir, 'ipxe'), dir, join(dir, 'assets')]
  await mkdir(ipxeDir)
  await writeFile(join(ipxeDir, 'ipxe.efi'), 'binary')
  const files = bootFiles({ ipxeDir, osDir, imageDir: osDir, assetDir, texts, log: silent })
  const machineByIp = (ip: string) => (ip === loopback ? machine : undefined)
  const openTftpName = tftpFiles({ ...files, openText, machineByIp, machineByMac: () => machine })
  const { base, recorded } = await bootService(t, { files, openTftpName, machineByIp })
  const named = {
    'ipxe.efi': 'binary',
    [`${mac}/ipxe.efi`]: 'binary',
    [`pxelinux.cfg/01-${dashed}`]: 'DEFAULT x',
    'abcd1234/start4.elf': 'firmware',
    [`${dashed}/grub.cfg`]: 'of the assets',
  }
  for (const [name, body] of Object.entries(named))
    t.strictSame(await curl(`${base}/tftp/${name}`), { status: 200, body }, name)
  for (const name of ['abcd1234/none.elf', 'ffff0000/start4.elf', '..%2fipxe%2fipxe.cfg', '%00'])
    t.match(await curl(`${base}/tftp/${name}`), { status: 404 }, name)
  t.ok(recorded.some(({ stage }) => stage === 'boot-file'))
})

t.test('a new certificate is served to connections that come after it', async (t) => {
  t.testdir({ 1: {}, 2: {} })
  const clock = { now: () => Date.now() }
  const make = (dataDir: string) =>
    loadOrCreatePki({ dataDir, addresses: ['127.0.0.1'], hostnames: [], clock })
  const [one, other] = [join(t.testdirName, '1'), join(t.testdirName, '2')]
  const first = await make(one)
  const { app, base, dir } = await bootService(t, { tls: first })
  const second = await make(other)
  t.not(first.certPem, second.certPem)
  const trusting = async ({ caPem }: { caPem: string }) => {
    const ca = join(dir, 'ca.pem')
    await writeFile(ca, caPem)
    return curl('--cacert', ca, `${base}/healthz`)
  }
  t.match(await trusting(first), { status: 200 })
  await t.rejects(trusting(second))
  replaceTls(app, second)
  t.match(await trusting(second), { status: 200 })
  await t.rejects(trusting(first))
})
