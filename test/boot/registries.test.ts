import { spawnSync } from 'node:child_process'
import t from 'tap'
import { parseBootFile } from '../../src/agent/boot.ts'
import { parseRegistry } from '../../src/boot/registries.ts'
import { loadConfig } from '../../src/config.ts'
import { bootService } from './service.ts'
import { mac } from './things.ts'

t.test('a registry is a URL without a path', async (t) => {
  t.strictSame(parseRegistry('https://registry.example', 'PEM'), { host: 'registry.example', ca: 'PEM' })
  t.strictSame(parseRegistry('http://192.0.2.1:5000/', 'PEM'), { host: '192.0.2.1:5000', insecure: true })
  t.strictSame(parseRegistry('http://[2001:db8::1]:5000'), { host: '[2001:db8::1]:5000', insecure: true })
  const login = { username: 'a', password: 'b:c@d%' }
  t.strictSame(parseRegistry('https://a:b%3Ac%40d%25@registry.example:443'), {
    host: 'registry.example:443',
    ...login,
  })
})

const refused = [
  'registry.example',
  'ftp://registry.example',
  'https://registry.example/team',
  'https://',
  'https://a@registry.example',
  'https://:secret@registry.example',
  'https://a:secret%@registry.example',
  'http://a b',
  'http://x?y',
]
for (const text of refused)
  t.test(`"${text}" is refused, and no password shown`, async (t) => {
    const said = parseRegistry(text)
    t.type(said, 'string')
    t.notMatch(said, 'secret')
    t.throws(() => loadConfig({ env: {}, flags: { 'boot.registries': text } }), {
      message: /boot\.registries: /,
    })
  })

t.test('a registry that is named twice is refused', async (t) => {
  const flags = { 'boot.registries': 'http://a:5000,https://a:5000' }
  t.throws(() => loadConfig({ env: {}, flags }), { message: /boot\.registries: a:5000: named twice/ })
})

t.test('the agent reads the registries in its identity', { skip: noCpio() }, async (t) => {
  const registries = ['http://192.0.2.1:5000', 'https://a:b@registry.example']
    .map((text) => parseRegistry(text, 'PEM'))
    .filter((registry) => typeof registry !== 'string')
  const { app } = await bootService(t, { registries, identity: { token: () => 'the-token' } })
  const { rawPayload } = await app.inject(`/ipxe/identity/${mac}/${'a'.repeat(32)}/identity.cpio`)
  const args = ['-i', '--to-stdout', 'etc/ironwake/boot.json']
  const { stdout } = spawnSync('cpio', args, { input: rawPayload, encoding: 'utf8' })
  t.strictSame(parseBootFile(stdout).registries, [
    { host: '192.0.2.1:5000', insecure: true },
    { host: 'registry.example', username: 'a', password: 'b', ca: 'PEM' },
  ])
})

function noCpio(): string | false {
  return spawnSync('cpio', ['--version']).error ? 'needs cpio' : false
}
