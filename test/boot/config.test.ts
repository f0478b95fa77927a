import t from 'tap'
import { AppError } from '../../src/model/error.ts'
import { loadConfig } from '../../src/config.ts'
import { parseUpstream } from '../../src/boot/upstreams.ts'

const load = (flags: Record<string, string>) => loadConfig({ env: {}, flags })

t.test('the settings of boot, images and ISO images, as flags', async (t) => {
  const config = load({
    'http.trustedProxies': '10.0.0.1, fd00::/8',
    'http.httpsPort': '8443',
    'images.upstreams': 'debian=https://cloud.debian.org/images/cloud/,one=http://192.0.2.1/a.img',
    'boot.unknownMachines': 'netboot-os',
    'iso.staticIpam': 'true',
  })
  t.strictSame(config.http.trustedProxies, ['10.0.0.1', 'fd00::/8'])
  t.match(config, {
    http: { port: 7171, httpsPort: 8443 },
    images: { cacheGiB: 100, checksums: true, freshSeconds: 300, maxTransfers: 512, mbitPerSecond: 0 },
    boot: { unknownMachines: 'netboot-os', kernelName: 'vmlinuz', tries: 5, retrySeconds: 3 },
    iso: { source: '', staticIpam: true },
  })
})

t.test('settings that cannot be meant are refused with their path', async (t) => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ 'http.trustedProxies': '10.0.0.0/40' }, /http\.trustedProxies: "10\.0\.0\.0\/40" is neither/],
    [{ 'http.trustedProxies': 'proxy.example' }, /http\.trustedProxies/],
    [{ 'http.tls.cert': '/x' }, /http\.tls\.key: missing/],
    [{ 'images.upstreams': 'https://x/' }, /images\.upstreams: expected name=URL/],
    [{ 'images.upstreams': 'a=http://x/,a=http://y/' }, /images\.upstreams: a: named twice/],
    [{ 'images.upstreams': 'a=file:///etc/' }, /images\.upstreams: a: not an http or https URL/],
    [{ 'images.cacheGiB': '0' }, /images\.cacheGiB/],
    [{ 'images.maxTransfers': '0' }, /images\.maxTransfers/],
    [{ 'images.mbitPerSecond': '-1' }, /images\.mbitPerSecond/],
    [{ 'iso.placeholder': 'abcdefgh' }, /iso\.placeholder: expected 16/],
    [{ 'iso.placeholder': 'abcdefghijklmnopqabc' }, /iso\.placeholder: ends as it begins/],
    [{ 'boot.kernelName': '../x' }, /boot\.kernelName/],
    [{ 'boot.tries': '0' }, /boot\.tries/],
  ]
  for (const [flags, message] of cases)
    t.throws(() => load(flags), { message, code: 'Invalid' } as unknown as AppError, JSON.stringify(flags))
})

t.test('upstreams', async (t) => {
  t.strictSame(parseUpstream('d=HTTP://Example.org/a'), { name: 'd', url: 'http://example.org/a' })
  t.strictSame(parseUpstream('q=http://x/a?b=c=d'), { name: 'q', url: 'http://x/a?b=c=d' })
  for (const text of ['d=http://x/?q', 'd=http://x/#f', '=http://x/', 'a/b=http://x/', 'd', 'd='])
    t.type(parseUpstream(text), 'string', text)
})
