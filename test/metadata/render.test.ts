import t from 'tap'
import type { HardwareSpec } from '../../src/model/hardware.ts'
import { machinesOf } from '../../src/model/machine.ts'
import { parsePhoneHome } from '../../src/metadata/phone.ts'
import { metadataText, metadataTree, userDataAllowed } from '../../src/metadata/render.ts'
import { hardwareOf, mac } from '../boot/things.ts'

const instance = {
  id: 'i-1',
  hostname: 'web-1',
  tags: ['a', 'b'],
  ssh_keys: ['ssh-ed25519 AAAA one\n', ' ', 'ssh-rsa BBBB two'],
  operating_system: { slug: 'debian_12', distro: 'debian', version: '12', image_tag: 'x' },
  ips: [
    { address: '198.51.100.7', family: 4, public: true },
    { address: '10.0.0.7', family: 4, public: false },
    { address: '2001:db8::7', family: 6, public: true },
  ],
}
const full: HardwareSpec = { metadata: { instance, facility: { plan_slug: 'c3', facility_code: 'onprem' } } }
const treeOf = (spec: HardwareSpec, userData?: string) => {
  const hardware = hardwareOf({ spec })
  return metadataTree({ hardware, machine: machinesOf(hardware)[0]!, userData })
}
const names = [
  'facility',
  'hostname',
  'instance-id',
  'iqn',
  'local-hostname',
  'local-ipv4',
  'operating-system/',
  'plan',
  'public-ipv4',
  'public-ipv6',
  'public-keys/',
  'tags',
]

const cases: { path: string; want: string | undefined }[] = [
  { path: '', want: '2009-04-04/\nlatest/' },
  { path: '2009-04-04', want: 'meta-data/\nuser-data' },
  { path: 'latest', want: 'meta-data/\nuser-data' },
  { path: '2009-04-04/user-data', want: '#cloud-config' },
  { path: '2009-04-04/meta-data', want: names.join('\n') },
  { path: 'latest/meta-data/instance-id', want: 'i-1' },
  { path: '2009-04-04/meta-data/hostname', want: 'web-1' },
  { path: '2009-04-04/meta-data/local-hostname', want: 'web-1' },
  { path: '2009-04-04/meta-data/iqn', want: '' },
  { path: '2009-04-04/meta-data/plan', want: 'c3' },
  { path: '2009-04-04/meta-data/facility', want: 'onprem' },
  { path: '2009-04-04/meta-data/tags', want: 'a\nb' },
  { path: '2009-04-04/meta-data/public-ipv4', want: '198.51.100.7' },
  { path: '2009-04-04/meta-data/local-ipv4', want: '10.0.0.7' },
  { path: '2009-04-04/meta-data/public-ipv6', want: '2001:db8::7' },
  { path: '2009-04-04/meta-data/public-keys', want: '0=key-0\n1=key-1' },
  { path: '2009-04-04/meta-data/public-keys/0', want: 'openssh-key' },
  { path: '2009-04-04/meta-data/public-keys/0/openssh-key', want: 'ssh-ed25519 AAAA one' },
  { path: '2009-04-04/meta-data/public-keys/1/openssh-key', want: 'ssh-rsa BBBB two' },
  { path: '2009-04-04/meta-data/public-keys/2', want: undefined },
  {
    path: '2009-04-04/meta-data/operating-system',
    want: 'distro\nimage_tag\nlicense_activation/\nslug\nversion',
  },
  { path: '2009-04-04/meta-data/operating-system/distro', want: 'debian' },
  { path: '2009-04-04/meta-data/operating-system/license_activation/state', want: '' },
  { path: '2021-03-23/meta-data/instance-id', want: undefined },
  { path: '2009-04-04/meta-data/instance-id/more', want: undefined },
  { path: '2009-04-04/meta-data/constructor', want: undefined },
  { path: '__proto__', want: undefined },
]
for (const { path, want } of cases)
  t.test(`/${path}`, async (t) => {
    const tree = treeOf(full, '#cloud-config')
    t.equal(metadataText(tree, `/${path}`), want)
    t.equal(metadataText(tree, `/${path}/`), want, 'the same with a slash at the end')
  })

t.test('hardware from a CSV has names and addresses from its interface', async (t) => {
  const tree = treeOf({})
  const read = (name: string) => metadataText(tree, `2009-04-04/meta-data/${name}`)
  t.equal(read('instance-id'), mac)
  t.equal(read('hostname'), 'node-1')
  t.equal(read('local-ipv4'), '127.0.0.1')
  t.equal(read('public-keys'), '')
  t.equal(metadataText(tree, '2009-04-04'), 'meta-data/')
  t.equal(metadataText(tree, '2009-04-04/user-data'), undefined)
})

const released = { sha256: 'aa', releasedSha256: 'aa', owned: false, workflowLive: false }
const rules = [
  { name: 'never owned', facts: { ...released, releasedSha256: undefined }, want: true },
  { name: 'released by its owner', facts: released, want: false },
  { name: 'released, then given new userData', facts: { ...released, sha256: 'bb' }, want: true },
  { name: 'released, then owned again', facts: { ...released, owned: true }, want: true },
  { name: 'released, with a live Workflow', facts: { ...released, workflowLive: true }, want: true },
]
for (const { name, facts, want } of rules)
  t.test(`userData of a machine ${name}`, async (t) => t.equal(userDataAllowed(facts), want))

const form = 'application/x-www-form-urlencoded'
const calls = [
  {
    type: form,
    body: 'instance_id=i-1&hostname=web-1.example&pub_key_ed25519=ssh-ed25519+AAAA',
    want: { instanceId: 'i-1', hostname: 'web-1.example' },
  },
  {
    type: 'application/json; charset=utf-8',
    body: '{"instance_id":"i-1","hostname":"web-1"}',
    want: { instanceId: 'i-1', hostname: 'web-1' },
  },
  {
    type: 'application/json',
    body: '{"instance_id":7,"hostname":null}',
    want: { instanceId: '', hostname: '' },
  },
  { type: 'application/json', body: '[]', want: undefined },
  { type: 'application/json', body: '{', want: undefined },
  { type: '', body: '', want: { instanceId: '', hostname: '' } },
  { type: form, body: `hostname=${'x'.repeat(300)}`, want: { instanceId: '', hostname: 'x'.repeat(253) } },
  { type: form, body: 'hostname=a%0d%0ab%1b[31m', want: { instanceId: '', hostname: 'a b [31m' } },
  { type: form, body: '%%%&=&hostname', want: { instanceId: '', hostname: '' } },
]
for (const { type, body, want } of calls)
  t.test(`phone-home ${type} ${body.slice(0, 30)}`, async (t) =>
    t.strictSame(parsePhoneHome(type, body), want),
  )
