import { createHash } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { trustOf } from '../../src/model/forwarded.ts'
import { ownerNameLabel, releasedAnnotation } from '../../src/model/hardware.ts'
import { parseIp4 } from '../../src/model/ip4.ts'
import { metadataHttp } from '../../src/metadata/http.ts'
import type { MetadataHttpDeps } from '../../src/metadata/http.ts'
import { hardwareOf, loopback, mac, machineOf, recorder, silent, workflowOf } from '../boot/things.ts'
import type { HardwareParts } from '../boot/things.ts'

const userData = '#cloud-config\nhostname: ü\n'
const sshKeys = ['ssh-ed25519 AAAA one']

async function service(t: Test, parts: HardwareParts = {}, changes: Partial<MetadataHttpDeps> = {}) {
  const { recorded, record } = recorder()
  const said: unknown[] = []
  const spec = { userData, metadata: { instance: { id: 'i-1', ssh_keys: sshKeys } } }
  const hardware = hardwareOf({ ...parts, spec: { ...spec, ...parts.spec } })
  const app = metadataHttp({
    log: silent,
    machineByIp: (ip) => (ip === loopback ? machineOf() : undefined),
    hardware: () => hardware,
    workflowsForHardware: () => [],
    phonedHome: (machine, what) => void said.push({ name: machine.name, ...what }),
    record,
    ...changes,
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const address = app.server.address()
  const base = typeof address === 'object' ? `http://127.0.0.1:${address!.port}` : ''
  return { app, base, recorded, said }
}

t.test("cloud-init's walk finds everything, and no server error on the way", async (t) => {
  const { base, recorded } = await service(t)
  const read = async (path: string) => {
    const response = await fetch(base + path)
    return { status: response.status, text: await response.text() }
  }
  t.strictSame(await read('/2009-04-04/meta-data/instance-id'), { status: 200, text: 'i-1' })
  for (const version of ['2021-03-23', '2018-09-24', '2016-09-02'])
    t.equal((await read(`/${version}/meta-data/instance-id`)).status, 404)
  t.strictSame(await read('/2009-04-04/user-data'), { status: 200, text: userData })
  const found: Record<string, string> = {}
  const walk = async (path: string): Promise<void> => {
    const { status, text } = await read(path)
    t.equal(status, 200, path)
    for (const line of text.split('\n').filter((name) => name !== '')) {
      const [name, key] = line.split('=') as [string, string | undefined]
      if (key) found[`${path}${name}`] = (await read(`${path}${name}/openssh-key`)).text
      else if (name.endsWith('/')) await walk(path + name)
      else found[path + name] = (await read(path + name)).text
    }
  }
  await walk('/2009-04-04/meta-data/')
  t.equal(found['/2009-04-04/meta-data/public-keys/0'], sshKeys[0])
  t.equal(found['/2009-04-04/meta-data/local-hostname'], 'node-1')
  t.equal(found['/2009-04-04/meta-data/operating-system/license_activation/state'], '')
  t.strictSame(
    [...new Set(recorded.map(({ facts }) => String(facts?.['path'])))].toSorted((a, b) => a.localeCompare(b)),
    ['instance-id', 'user-data'],
  )
  t.ok(recorded.every((entry) => entry.mac === mac && entry.stage === 'metadata'))
})

t.test('answers are plain text, with and without a slash at the end, and to HEAD', async (t) => {
  const { app, recorded } = await service(t)
  const listing = await app.inject('/2009-04-04/')
  t.equal(listing.body, 'meta-data/\nuser-data')
  t.match(listing.headers, { 'content-type': /^text\/plain/, 'cache-control': 'no-store' })
  t.equal((await app.inject('/2009-04-04')).body, listing.body)
  const head = await app.inject({ method: 'HEAD', url: '/latest/user-data' })
  t.equal(head.statusCode, 200)
  t.equal(head.headers['content-length'], String(Buffer.byteLength(userData)))
  t.equal(head.body, '')
  t.strictSame(recorded, [], 'HEAD is no reading')
})

t.test('nobody but a known machine learns anything', async (t) => {
  const { app, recorded, said } = await service(t)
  for (const remoteAddress of ['192.0.2.9', '::1', '::ffff:192.0.2.9']) {
    const headers = { 'x-forwarded-for': '127.0.0.1', forwarded: 'for=127.0.0.1', 'x-real-ip': '127.0.0.1' }
    const response = await app.inject({ url: '/2009-04-04/user-data', remoteAddress, headers })
    t.equal(response.statusCode, 404)
    t.match(response.headers, { 'content-type': /^text\/plain/ })
    t.equal(
      (await app.inject({ method: 'POST', url: '/phone-home', payload: 'hostname=x', remoteAddress }))
        .statusCode,
      404,
    )
  }
  t.equal((await app.inject({ url: '/latest/user-data', remoteAddress: '::ffff:127.0.0.1' })).body, userData)
  t.equal(recorded.length, 1)
  t.strictSame(said, [])
})

t.test('userData that a former owner left is withheld', async (t) => {
  const annotations = { [releasedAnnotation]: createHash('sha256').update(userData).digest('hex') }
  const status = async (parts: HardwareParts, changes: Partial<MetadataHttpDeps> = {}) => {
    const { app } = await service(t, parts, changes)
    return (await app.inject('/2009-04-04/user-data')).statusCode
  }
  t.equal(await status({ annotations }), 404)
  t.equal(await status({ annotations, labels: { [ownerNameLabel]: 'c' } }), 200)
  t.equal(await status({ annotations }, { workflowsForHardware: () => [workflowOf('w', 'PENDING')] }), 200)
  t.equal(await status({ annotations }, { workflowsForHardware: () => [workflowOf('w', 'SUCCESS')] }), 404)
  t.equal(await status({ annotations, spec: { userData: 'new' } }), 200)
})

t.test(
  'cloud-init finds NoCloud files whatever the machine may read, and its reading is recorded',
  async (t) => {
    const annotations = { [releasedAnnotation]: createHash('sha256').update(userData).digest('hex') }
    for (const { parts, want } of [
      { parts: {}, want: userData },
      { parts: { annotations }, want: '' },
      { parts: { spec: { userData: '' } }, want: '' },
    ]) {
      const { app, recorded } = await service(t, parts)
      const asked = async (name: string) => app.inject(`/nocloud/${name}`)
      const seed = await asked('user-data')
      t.equal(seed.statusCode, 200)
      t.equal(seed.body, want)
      t.match((await asked('meta-data')).body, /^instance-id: "i-1"$/m)
      for (const name of ['vendor-data', 'network-config']) t.equal((await asked(name)).statusCode, 200, name)
      t.equal((await asked('meta-data/instance-id')).statusCode, 404)
      t.strictSame(
        recorded.slice(0, 2).map(({ facts }) => facts),
        [{ path: 'user-data' }, { path: 'meta-data' }],
      )
    }
    const { app } = await service(t)
    t.equal((await app.inject({ url: '/nocloud/meta-data', remoteAddress: '192.0.2.9' })).statusCode, 404)
  },
)

t.test('vendorData is there for both dialects', async (t) => {
  const { app } = await service(t, { spec: { vendorData: '#cloud-config\n' } })
  for (const folder of ['2009-04-04', 'latest', 'nocloud'])
    t.equal((await app.inject(`/${folder}/vendor-data`)).body, '#cloud-config\n', folder)
  t.equal((await app.inject('/latest/')).body, 'meta-data/\nuser-data\nvendor-data')
})

t.test('a machine phones home', async (t) => {
  const { base, recorded, said } = await service(t)
  const post = (body: string, type?: string) =>
    fetch(`${base}/phone-home`, { method: 'POST', body, headers: type ? { 'content-type': type } : {} })
  const form = 'application/x-www-form-urlencoded'
  t.equal((await post('instance_id=i-1&hostname=web-1&pub_key_rsa=AAAA', form)).status, 200)
  t.equal(
    (await post('{"instance_id":"i-1","hostname":"web-2"}', 'application/json; charset=utf-8')).status,
    200,
  )
  t.equal((await post('hostname=web-3')).status, 200, 'whatever the type says')
  t.equal((await post('[1]', 'application/json; charset=utf-8')).status, 400)
  t.equal((await post('x'.repeat(65 * 1024), form)).status, 413)
  t.equal((await fetch(`${base}/phone-home`, { method: 'POST' })).status, 200, 'without a body')
  t.strictSame(said.slice(0, 2), [
    { name: 'node-1', hostname: 'web-1', instanceId: 'i-1' },
    { name: 'node-1', hostname: 'web-2', instanceId: 'i-1' },
  ])
  t.strictSame(recorded[0], { mac, stage: 'phone-home', facts: { hostname: 'web-1', instanceId: 'i-1' } })
})

t.test('what is not there is not found, never a server error', async (t) => {
  const { app } = await service(t)
  const asks = [
    { method: 'PUT', url: '/latest/api/token' },
    { method: 'GET', url: '/latest/api/token' },
    { method: 'POST', url: '/2009-04-04/user-data' },
    { method: 'GET', url: '/%' },
    { method: 'GET', url: '/2009-04-04/%2e%2e/x' },
    { method: 'GET', url: '/phone-home' },
  ] as const
  for (const ask of asks) t.equal((await app.inject(ask)).statusCode, 404, `${ask.method} ${ask.url}`)
})

t.test('a machine whose Hardware is just gone learns nothing', async (t) => {
  const { app } = await service(t, {}, { hardware: () => undefined })
  t.equal((await app.inject('/2009-04-04/user-data')).statusCode, 404)
})

t.test("Equinix Metal's JSON of the machine that asks, without secrets", async (t) => {
  const storage = { disks: [{ device: '/dev/sda', wipe_table: true, partitions: [] }], filesystems: [] }
  const instance = {
    id: 'i-1',
    ssh_keys: sshKeys,
    tags: ['a'],
    userdata: 'secret',
    crypted_root_password: 'secret',
    storage,
    ips: [
      { address: '192.0.2.5', netmask: '255.255.255.240', gateway: '192.0.2.1', family: 4, public: true },
      { address: '2001:db8::5', netmask: '64', gateway: '2001:db8::1', family: 6, public: true },
    ],
  }
  const metadata = {
    instance,
    facility: { plan_slug: 'm3.small.x86', facility_code: 'ams1' },
    bonding_mode: 4,
  }
  const { base } = await service(t, { spec: { metadata } })
  const response = await fetch(`${base}/metadata`)
  t.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
  const text = await response.text()
  t.notMatch(text, 'secret')
  t.match(JSON.parse(text), {
    id: 'i-1',
    hostname: 'node-1',
    plan: 'm3.small.x86',
    facility: 'ams1',
    tags: ['a'],
    ssh_keys: sshKeys,
    phone_home_url: `${base}/phone-home`,
    network: {
      bonding: { mode: 4 },
      interfaces: [{ name: 'eth0', mac }],
      addresses: [
        { address: '192.0.2.5', cidr: 28, network: '192.0.2.0', address_family: 4, public: true },
        { address: '2001:db8::5', cidr: 64, network: '2001:db8::', address_family: 6 },
      ],
    },
    storage: { disks: [{ device: '/dev/sda' }] },
    metadata: { instance: { storage: { disks: [{ device: '/dev/sda' }], filesystems: [] } } },
  })
  const told = (await (await fetch(`${base}/metadata`)).json()) as {
    phone_home_url: string
    user_state_url: string
  }
  t.equal(told.user_state_url, `${base}/events`)
  t.equal((await fetch(told.phone_home_url, { method: 'POST', body: '{}' })).status, 200)
  t.equal(await (await fetch(`${base}/userdata`)).text(), userData)
})

t.test('userdata that an owner left behind is withheld in every dialect', async (t) => {
  const left = createHash('sha256').update(userData).digest('hex')
  const hardware = hardwareOf({
    spec: { userData, metadata: { instance: { id: 'i-1' } } },
    annotations: { [releasedAnnotation]: left },
  })
  const { base } = await service(
    t,
    {},
    { hardware: () => hardware, hardwareByInstance: () => [hardware], instanceEndpoint: true },
  )
  for (const path of ['/userdata', '/2009-04-04/user-data', '/tootles/instanceID/i-1/2009-04-04/user-data'])
    t.equal((await fetch(base + path)).status, 404, path)
  t.equal(await (await fetch(`${base}/nocloud/user-data`)).text(), '')
})

t.test(
  'the tree of an instance by its id only where a setting says so, and when one Hardware has it',
  async (t) => {
    const named = (id: string) => hardwareOf({ spec: { userData, metadata: { instance: { id } } } })
    const all = [named('i 1'), named('twice'), named('twice'), hardwareOf()]
    const hardwareByInstance = (id: string) => all.filter(({ spec }) => spec?.metadata?.instance?.id === id)
    const nobody = { machineByIp: () => undefined, hardwareByInstance }
    const status = async (base: string, path: string) => (await fetch(base + path)).status
    const { base: off } = await service(t, {}, nobody)
    t.equal(await status(off, '/tootles/instanceID/i%201/2009-04-04/user-data'), 404)
    const { base, recorded } = await service(t, {}, { ...nobody, instanceEndpoint: true })
    const tree = `${base}/tootles/instanceID/i%201/2009-04-04`
    t.equal(await (await fetch(`${tree}/meta-data/instance-id`)).text(), 'i 1')
    t.equal(await (await fetch(`${tree}/meta-data/hostname/`)).text(), 'node-1')
    t.equal(await (await fetch(`${tree}/user-data`)).text(), userData)
    t.match(await (await fetch(tree)).text(), 'meta-data/\nuser-data')
    for (const id of ['twice', 'none', '', 'undefined', '%', '..', 'i%201%00'])
      t.equal(await status(base, `/tootles/instanceID/${id}/2009-04-04/user-data`), 404, id)
    t.equal(await status(base, '/2009-04-04/user-data'), 404, 'and nothing else for strangers')
    t.equal(await status(base, '/metadata'), 404)
    t.strictSame(recorded, [])
  },
)

t.test('a trusted proxy says who asks, another one does not', async (t) => {
  const behind = parseIp4('192.0.2.7')!
  const changes = { machineByIp: (ip: unknown) => (ip === behind ? machineOf() : undefined) }
  const { base: off } = await service(t, {}, changes)
  const headers = { 'x-forwarded-for': '203.0.113.9, 192.0.2.7' }
  t.equal((await fetch(`${off}/2009-04-04/meta-data/instance-id`, { headers })).status, 404)
  const { base } = await service(t, {}, { ...changes, isTrusted: trustOf(['127.0.0.1/32']) })
  t.equal(await (await fetch(`${base}/2009-04-04/meta-data/instance-id`, { headers })).text(), 'i-1')
  t.equal((await fetch(`${base}/metadata`)).status, 404)
})

t.test('an address that only the machine vouches for gets no secrets', async (t) => {
  const { app, recorded } = await service(t, {}, { isHearsay: () => true })
  for (const path of [
    '/2009-04-04/user-data',
    '/2009-04-04/meta-data/instance-id',
    '/nocloud/user-data',
    '/userdata',
    '/metadata',
  ])
    t.equal((await app.inject(path)).statusCode, 403, path)
  t.ok(recorded.every(({ stage, facts }) => stage === 'metadata' && facts?.['withheld'] === true))
  const phone = await app.inject({ method: 'POST', url: '/phone-home', payload: 'hostname=a' })
  t.equal(phone.statusCode, 200, 'it may say that it is up')
  const vendor = await service(
    t,
    { spec: { userData: undefined, vendorData: 'x' } as never },
    { isHearsay: () => true },
  )
  t.equal((await vendor.app.inject('/nocloud/meta-data')).statusCode, 403)
  const open = await service(t, { spec: { userData: undefined } as never }, { isHearsay: () => true })
  t.equal((await open.app.inject('/2009-04-04/meta-data/instance-id')).body, 'i-1')
})

t.test('a system says how its own work goes', async (t) => {
  const { app, recorded } = await service(t)
  const post = (payload: string, headers = {}) =>
    app.inject({ method: 'POST', url: '/events', payload, headers })
  const body = '{"state":"running","code":1000,"message":"running the user data script"}'
  t.equal((await post(body, { 'content-type': 'application/x-www-form-urlencoded' })).statusCode, 200)
  t.equal((await post('{"state":"failed"}')).statusCode, 200)
  t.same(recorded, [
    {
      mac,
      stage: 'user-state',
      facts: { state: 'running', code: 1000, message: 'running the user data script' },
    },
    { mac, stage: 'user-state', facts: { state: 'failed' } },
  ])
  const faults: [string, RegExp][] = [
    ['', /not a JSON object/],
    ['[]', /not a JSON object/],
    ['{"state":"done"}', /state is "done", not one of running, succeeded, failed/],
    ['{}', /state is missing/],
    ['{"state":"failed","code":"x"}', /code is "x"/],
    ['{"state":"failed","code":1.5}', /code is 1.5/],
    ['{"state":"failed","message":{}}', /message is \{\}/],
  ]
  for (const [text, want] of faults) {
    const { statusCode, body } = await post(text)
    t.equal(statusCode, 400, text)
    t.match(body, want)
  }
  t.equal(recorded.length, 2)
  const other = await app.inject({
    method: 'POST',
    url: '/events',
    payload: body,
    remoteAddress: '192.0.2.9',
  })
  t.equal(other.statusCode, 404)
})
