import t from 'tap'
import type { Hardware } from '../../src/model/hardware.ts'
import type { Mac } from '../../src/model/mac.ts'
import type { KubeObject } from '../../src/model/object.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import { runAgent } from '../grpc/yard.ts'
import { template } from '../workflow/house.ts'
import { attributes, namespace, obey, openScene, ownAgent } from './scene.ts'

const mac = '52:54:00:aa:00:01'
const name = 'discovery-52-54-00-aa-00-01'
const enrollment = 'enrollment-52-54-00-aa-00-01'
const dell = {
  rules: ['{"product":{"vendor":["Dell Inc."]}}'],
  workflow: { template: { agentValue: 'device_1', ref: 'install' } },
}
const annotation = 'tinkerbell.org/agent-attributes'

t.test('an unknown machine is discovered, enrolled once there is a rule set, and installed', async (t) => {
  const scene = await openScene(t)
  const agent = ownAgent(scene, mac)
  const ran = obey(agent)
  const hardware = await scene.found(name)
  t.match(hardware, {
    metadata: { namespace, labels: { 'tinkerbell.org/auto-discovered': 'true' } },
    spec: {
      agentID: mac,
      auto: { enrollmentEnabled: true },
      disks: [{ device: '/dev/sda' }],
      interfaces: [{ dhcp: { mac } }, { dhcp: { mac: '52:54:00:aa:00:02' } }],
    },
  })
  t.notOk(hardware.spec?.interfaces?.[0]?.netboot)
  t.same(JSON.parse(hardware.metadata.annotations![annotation]!), attributes)
  await scene.until('the reason', () => scene.story.find(({ stage }) => stage === 'not-enrolled'))
  await scene.create('Template', 'install', { data: template(['stream', 'reboot']) })
  await scene.ruleSet('other', { rules: ['{"product":{"vendor":["HPE"]}}'], workflow: dell.workflow })
  await scene.ruleSet('dell', dell)
  t.match(await scene.ended(enrollment), {
    metadata: {
      labels: { 'tinkerbell.org/auto-enrollment': 'true' },
      ownerReferences: [
        { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'WorkflowRuleSet', name: 'dell', uid: /./ },
      ],
      annotations: undefined,
    },
    spec: { templateRef: 'install', hardwareRef: name, hardwareMap: { device_1: mac } },
    status: { state: 'SUCCESS' },
  })
  agent.hangUp()
  t.same(await ran, ['stream', 'reboot'])
  const told = scene.story.filter(({ stage }) => /discovered|enrolled/.test(stage))
  t.match(told[0], { mac, stage: 'discovered', facts: { hardware: `${namespace}/${name}`, agent: mac } })
  t.match(told[1], { stage: 'not-enrolled', facts: { why: 'there is no WorkflowRuleSet' } })
  const facts = { workflow: `${namespace}/${enrollment}`, ruleSet: `${namespace}/dell`, matched: 1, rules: 1 }
  t.match(told.at(-1), { stage: 'enrolled', facts })
})

t.test('an unknown machine with an agent of Tinkerbell', async (t) => {
  const scene = await openScene(t)
  await scene.create('Template', 'install', { data: template(['stream', 'reboot']) })
  const agent = runAgent('current', scene.site.port, mac)
  const hardware = await scene.found(name)
  t.match(hardware.spec, { agentID: mac, disks: [{ device: '/dev/sda' }], interfaces: [{ dhcp: { mac } }] })
  t.match(JSON.parse(hardware.metadata.annotations![annotation]!), {
    cpu: { totalCores: 4, totalThreads: 8 },
    blockDevices: [{ name: 'sda', size: '100GB' }],
    product: { name: 'PowerEdge', vendor: 'Dell', serialNumber: 'S1' },
  })
  t.equal(hardware.metadata.annotations!['ironwake.dev/discovered-from'], '127.0.0.1')
  await scene.until('no rule set', () => agent.codes.includes('GetAction 5'))
  await scene.ruleSet('dell', {
    ...dell,
    rules: ['{"product":{"vendor":["Dell"]},"cpu":{"totalCores":[4]}}'],
  })
  t.match((await scene.ended(enrollment)).status, { state: 'SUCCESS' })
  const { resourceVersion } = (await scene.read('Hardware', name))!.metadata
  await scene.until(
    'two more questions',
    () => agent.codes.filter((code) => code === 'GetAction 9').length > 2,
  )
  t.equal(
    (await scene.read('Hardware', name))!.metadata.resourceVersion,
    resourceVersion,
    'nothing is written',
  )
  await agent.stop()
  t.same(agent.ran, ['stream', 'reboot'])
  t.equal(await agent.over, 'stopped', 'it did not end by itself')
})

t.test('nothing is discovered when that is off', async (t) => {
  const scene = await openScene(t, { settings: { enabled: false } })
  t.match(await ownAgent(scene, mac).ended, { code: 16, details: 'machine-unknown' })
  const agent = runAgent('current', scene.site.port, mac)
  await scene.until('refusal', () => agent.codes.includes('GetAction 7'))
  await agent.stop()
  t.same((await scene.store.list('Hardware')).items, [])
})

t.test('what a token of an unknown machine is not good for', async (t) => {
  const scene = await openScene(t)
  const interfaces = [{ dhcp: { mac: '52:54:00:aa:00:09' } }]
  await scene.hardware('known', { interfaces, userData: 'secret' })
  const refused = async (who: string, changes: object, why: string | RegExp) =>
    t.match(await ownAgent(scene, who, changes).ended, { code: 16, details: why }, String(why))

  await refused('52:54:00:aa:00:09', {}, 'machine-known-by-now')
  await refused(mac, { agentId: '52:54:00:aa:00:09' }, 'agent-id-mismatch')
  await refused(mac, { agentId: 'known' }, 'agent-id-mismatch')
  await refused(mac, { token: 'stranger.525400aa0001.0.x' }, 'token-unknown')
  await refused(
    mac,
    { token: scene.identity.strangerToken(mac as Mac).replace('0001', '0003') },
    'token-unknown',
  )
  const taken = { attributes: JSON.stringify({ networkInterfaces: [{ mac: '52:54:00:AA:00:09' }] }) }
  await refused(mac, { facts: taken }, /52:54:00:aa:00:09 is a MAC of Hardware default\/known/)
  t.equal((await scene.store.list('Hardware')).items.length, 1)

  const first = ownAgent(scene, mac)
  t.match(await first.hear(), { message: 'welcome' })
  await refused(mac, { bootId: 'boot-2' }, 'machine-known-by-now')
  const again = ownAgent(scene, mac)
  t.match(await again.hear(), { message: 'welcome' }, 'the same boot may come again')
  again.hangUp()
  first.hangUp()
  t.equal((await scene.store.list('Hardware')).items.length, 2)
})

t.test('a machine that was discovered needs the token of its boot from then on', async (t) => {
  const scene = await openScene(t)
  const first = ownAgent(scene, mac)
  await first.hear()
  first.hangUp()
  const { identity } = scene
  const token = identity.token(mac as Mac, identity.nonce(mac as Mac))
  const next = ownAgent(scene, mac, { bootId: 'boot-2', token })
  t.match(await next.hear(), { message: 'welcome' })
  next.hangUp()
})

t.test('a flood of forged MACs fills nothing', async (t) => {
  const scene = await openScene(t, { settings: { maxMachines: 5, perMinute: 8 } })
  const one = (at: number) => `52:54:00:bb:00:${at.toString(16).padStart(2, '0')}`
  const none = { facts: { attributes: '' } }
  const ends = await Promise.all(
    Array.from({ length: 60 }, async (_, at) => {
      const agent = ownAgent(scene, one(at), none)
      const first = await Promise.race([agent.hear().catch(() => undefined), agent.ended])
      agent.hangUp()
      return first && 'code' in first ? first.code : ((await agent.ended).code ?? 0)
    }),
  )
  t.equal((await scene.store.list('Hardware')).items.length, 5)
  t.equal(ends.filter((code) => code === 14).length, 55, 'the others may try again')
})

t.test('so many a minute', async (t) => {
  const scene = await openScene(t, { settings: { perMinute: 2 } })
  const none = { facts: { attributes: '' } }
  for (const at of [1, 2]) {
    const agent = ownAgent(scene, `52:54:00:bb:00:0${at}`, none)
    t.match(await agent.hear(), { message: 'welcome' })
    agent.hangUp()
  }
  const third = ownAgent(scene, '52:54:00:bb:00:03', none)
  t.match(await third.ended, { code: 14, details: /too many machines/ })
})

t.test('what an unknown agent without credentials may not be', async (t) => {
  const holder = '52:54:00:cc:00:01' as Mac
  const scene = await openScene(t, { holderOf: () => holder })
  await scene.hardware('known', { interfaces: [{ dhcp: { mac: '52:54:00:aa:00:09' } }], agentID: 'known' })
  const ask = (agentId: string, told: unknown = { network: [{ mac: holder }] }) =>
    scene.discovery.unknown({ agentId, address: '127.0.0.1', attributes: told, admission: 'address' })
  t.equal(await ask('known'), undefined, 'a known machine')
  t.equal(await ask('52:54:00:aa:00:09'), undefined, 'its MAC')
  t.equal(await ask('x\n- evil: "{{"'), undefined, 'a text that could be more than an id')
  t.equal(await ask(''), undefined)
  t.equal(await ask('rack-1', { network: [] }), undefined, 'a machine without MAC')
  t.equal(await ask('rack-1', null), undefined, 'a call that says nothing')
  t.equal(await ask('52:54:00:cc:00:02', {}), undefined, 'another machine than the one that has the lease')
  t.equal(await ask('rack-1', { network: [{ mac: holder }, { mac: '52:54:00:aa:00:09' }] }), undefined)
  t.equal((await scene.store.list('Hardware')).items.length, 1)
  t.match(await ask('rack-1'), { name: 'discovery-rack-1', agentId: 'rack-1' })
  t.match(await ask('rack-1'), { name: 'discovery-rack-1' }, 'and is it from then on')
  await t.rejects(
    ask('rack-2', { network: [{ mac: '52:54:00:cc:00:07' }, { mac: holder }] }).then((found) => {
      if (!found) throw new Error('refused')
    }),
    /refused/,
    'a second machine with its MAC',
  )
})

t.test('one that calls from another address than it was discovered from is not the same', async (t) => {
  const scene = await openScene(t)
  const ask = (address: string, agentId = mac) =>
    scene.discovery.unknown({ agentId, address, attributes: {}, admission: 'address' })
  t.match(await ask('192.0.2.7'), { name })
  t.equal(await ask('192.0.2.8'), undefined)
  t.match(await ask('192.0.2.7'), { name })
  await t.rejects(
    ask('192.0.2.7', '52:54:00:aa:00:05'),
    { code: 'Unavailable' },
    'an address makes one a minute',
  )
})

t.test('Hardware that was entered gets the annotation and nothing else', async (t) => {
  const scene = await openScene(t)
  await scene.hardware('entered', { interfaces: [{ dhcp: { mac } }], userData: 'x' })
  const before = (await scene.read<Hardware & KubeObject>('Hardware', 'entered'))!
  const { identity } = scene
  const come = async (bootId: string, told: object | string) => {
    const token = identity.token(mac as Mac, identity.nonce(mac as Mac))
    const text = typeof told === 'string' ? told : JSON.stringify(told)
    const agent = ownAgent(scene, mac, { token, bootId, facts: { attributes: text } })
    t.match(await agent.hear(), { message: 'welcome' })
    agent.hangUp()
    return (await scene.read<Hardware & KubeObject>('Hardware', 'entered'))!
  }
  const after = await come('b1', attributes)
  t.same(after.spec, before.spec)
  t.equal(after.metadata.generation, before.metadata.generation)
  t.same(Object.keys(after.metadata.annotations!), [annotation])
  const same = await come('b2', attributes)
  t.equal(same.metadata.resourceVersion, after.metadata.resourceVersion, 'nothing new, nothing written')
  for (const nothing of ['', '{', '[]', 'null', '{"cpu":3}'])
    t.equal(
      (await come(`b-${nothing.length}-x`.replace(/-/g, 'q'), nothing)).metadata.resourceVersion,
      after.metadata.resourceVersion,
    )
  const changed = await come('b3', { ...attributes, memory: { total: '64GB' } })
  t.match(changed.metadata.annotations![annotation], /64GB/)
  const long = Array.from({ length: 500 }, (_, at) => ({
    vendor: `${at}`.padEnd(120, 'x'),
    product: 'y'.repeat(100),
  }))
  const skipped = await come('b4', { pciDevices: long })
  t.equal(skipped.metadata.resourceVersion, changed.metadata.resourceVersion)
  t.same(scene.warnings, ['attributes of the agent are not stored: more than 64 KiB'])
  t.notOk(await scene.read('Workflow', enrollment), 'it does not say that it may be enrolled')
  t.notOk(scene.story.some(({ stage }) => stage === 'not-enrolled'))
})

t.test('which Workflow a machine gets', async (t) => {
  const scene = await openScene(t)
  await scene.ruleSet('one', dell)
  const rules = [
    '{"product":{"vendor":["Dell Inc."]}}',
    '{"cpu":{"totalCores":[{"numeric":[">=",8]}]}}',
    '{"gpu":["x"]}',
  ]
  const kvs = { image: 'debian', device_1: 'mine' }
  const workflow = {
    disabled: true,
    namespace: 'elsewhere',
    addAttributes: true,
    template: { agentValue: 'worker', kvs, ref: 'install' },
  }
  await scene.ruleSet('two', { rules, workflow }, 'site-b')
  await scene.ruleSet('broken', { rules: [...rules, '{'], workflow })
  const agent = ownAgent(scene, mac)
  const made = await scene.until('Workflow', () =>
    scene.read<Workflow & KubeObject>('Workflow', enrollment, 'elsewhere'),
  )
  t.match(made.spec, { disabled: true, templateRef: 'install', hardwareMap: { worker: mac, ...kvs } })
  t.notOk(made.spec?.hardwareRef, 'its Hardware is in another namespace')
  t.notOk(made.metadata.ownerReferences, 'and so is its rule set')
  t.same(JSON.parse(made.metadata.annotations![annotation]!), attributes)
  agent.hangUp()
  const again = ownAgent(scene, mac)
  await again.hear()
  await scene.until('the reason', () =>
    scene.story.find(({ facts }) => /existing workflow found: elsewhere/.test(String(facts['why']))),
  )
  again.hangUp()
})

t.test('a machine is enrolled the moment that its Hardware allows it', async (t) => {
  const scene = await openScene(t)
  await scene.ruleSet('dell', dell)
  await scene.hardware('entered', { interfaces: [{ dhcp: { mac } }] })
  const { identity, store } = scene
  const agent = ownAgent(scene, mac, { token: identity.token(mac as Mac, identity.nonce(mac as Mac)) })
  t.match(await agent.hear(), { message: 'welcome' })
  const now = (await scene.read<Hardware & KubeObject>('Hardware', 'entered'))!
  const spec = { ...now.spec, auto: { enrollmentEnabled: true } }
  await store.update({ ...now, spec }, now.metadata.resourceVersion)
  const made = await scene.until('Workflow', () => scene.read<Workflow & KubeObject>('Workflow', enrollment))
  t.equal(made.spec?.hardwareRef, 'entered')
  agent.hangUp()
})
