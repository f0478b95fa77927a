import t from 'tap'
import type { Test } from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { AppError } from '../../src/model/error.ts'
import type { Hardware, HardwareSpec } from '../../src/model/hardware.ts'
import { parseIp4 } from '../../src/model/ip4.ts'
import { parseMac } from '../../src/model/mac.ts'
import type { KubeObject } from '../../src/model/object.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { patchObject, updateStatus } from '../../src/store/resource.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { Change, PageQuery } from '../../src/store/store.ts'

const mac = (text: string) => parseMac(text)!
const ip = (text: string) => parseIp4(text)!
const nic = (address: string, ipAddress?: string) => ({
  dhcp: { mac: address, ...(ipAddress ? { ip: { address: ipAddress } } : {}) },
})
const [macA, macB, macC] = ['02:00:00:00:00:0a', '02:00:00:00:00:0b', '02:00:00:00:00:0c']

let version = 0
function object(kind: string, name: string, second: number, rest: object = {}, namespace = 'n'): KubeObject {
  const metadata = {
    name,
    namespace,
    uid: `uid-${name}`,
    generation: 1,
    resourceVersion: String(++version),
    creationTimestamp: `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`,
  }
  return { apiVersion: 'tinkerbell.org/v1alpha1', kind, metadata, ...rest }
}
const hardware = (name: string, second: number, spec: HardwareSpec) =>
  object('Hardware', name, second, { spec })
const workflow = (name: string, second: number, agentID: string, state: string, hardwareRef = 'a') =>
  object('Workflow', name, second, { spec: { hardwareRef }, status: { agentID, state } })
const put = (object: KubeObject): Change => ({ type: 'put', version: 1, object, previous: undefined })
const gone = (object: KubeObject): Change => ({ type: 'delete', version: 1, object, previous: object })

function lookupWith(...objects: KubeObject[]) {
  const warnings: Record<string, unknown>[] = []
  const lookup = createLookup({
    log: { warn: (fields: Record<string, unknown>) => void warnings.push(fields) } as never,
  })
  const refill = lookup.refill()
  refill.put(objects)
  refill.done()
  return { lookup, warnings }
}

t.test('machines are found by MAC, IP and agent id', async (t) => {
  const a = hardware('a', 1, { interfaces: [nic(macA, '10.0.0.1'), nic(macB, '10.0.0.2')] })
  const b = hardware('b', 2, { agentID: 'Rack-7', interfaces: [nic(macC)] })
  const { lookup, warnings } = lookupWith(a, b)
  t.match(lookup.machineByMac(mac(macB)), { name: 'a', ip: '10.0.0.2', macs: [macA, macB] })
  t.match(lookup.machineByIp(ip('10.0.0.1')), { name: 'a', mac: macA })
  t.equal(lookup.machineByIp(ip('10.0.0.9')), undefined)
  t.match(lookup.machineByAgent(macA.toUpperCase()), { mac: macA })
  t.match(lookup.machineByAgent('02-00-00-00-00-0B'), { mac: macB })
  t.match(lookup.machineByAgent('Rack-7'), { name: 'b', mac: macC })
  t.equal(lookup.machineByAgent('rack-7'), undefined)
  t.equal(lookup.machineByAgent(macC), undefined)
  t.equal(lookup.hardware('n', 'a'), a)
  t.equal(lookup.hardware('m', 'a'), undefined)
  t.same(warnings, [])
})

t.test('a changed machine is found under its new names only', async (t) => {
  const before = hardware('a', 1, { interfaces: [nic(macA, '10.0.0.1')] })
  const { lookup } = lookupWith(before)
  const after = hardware('a', 1, { interfaces: [nic(macB, '10.0.0.1')] })
  lookup.apply(put(after))
  t.equal(lookup.machineByMac(mac(macA)), undefined)
  t.match(lookup.machineByIp(ip('10.0.0.1')), { mac: macB })
  lookup.apply(gone(after))
  t.equal(lookup.machineByMac(mac(macB)), undefined)
  t.equal(lookup.hardware('n', 'a'), undefined)
  lookup.apply(gone(after))
})

t.test('of two that claim one address the older has it, and the other takes over', async (t) => {
  const young = hardware('a', 9, { interfaces: [nic(macA, '10.0.0.1')] })
  const old = hardware('b', 1, { interfaces: [nic(macA, '10.0.0.1')] })
  const { lookup, warnings } = lookupWith(young, old)
  t.match(lookup.machineByMac(mac(macA)), { name: 'b' })
  t.match(lookup.machineByIp(ip('10.0.0.1')), { name: 'b' })
  t.match(lookup.machineByAgent(macA), { name: 'b' })
  t.match(warnings, [{ mac: macA, winner: 'n/b', loser: 'n/a' }, { agentId: macA }, { ip: '10.0.0.1' }])
  lookup.apply(put(young))
  lookup.apply(put(old))
  t.equal(warnings.length, 3, 'logged once')
  lookup.apply(gone(old))
  t.match(lookup.machineByMac(mac(macA)), { name: 'a' })
  lookup.apply(put(old))
  t.match(lookup.machineByMac(mac(macA)), { name: 'b' })
  t.equal(warnings.length, 6, 'and again when it begins again')
})

t.test('of the same second, namespace and name decide', async (t) => {
  const spec = { interfaces: [nic(macA)] }
  const { lookup } = lookupWith(hardware('b', 1, spec), hardware('a', 1, spec))
  t.match(lookup.machineByMac(mac(macA)), { name: 'a' })
})

t.test('a hardware that says an address twice is not in its own way', async (t) => {
  const { lookup, warnings } = lookupWith(
    hardware('a', 1, { interfaces: [nic(macA, '10.0.0.1'), nic(macA, '10.0.0.2')] }),
  )
  t.match(lookup.machineByMac(mac(macA)), { ip: '10.0.0.1' })
  t.same(warnings, [])
})

t.test('a hardware that no schema would admit leaves the others alone', async (t) => {
  const broken = object('Hardware', 'x', 1, {
    spec: { interfaces: [{ dhcp: { mac: macB, name_servers: 'no list' } }, null] },
  })
  const { lookup, warnings } = lookupWith(broken, hardware('a', 2, { interfaces: [nic(macA)] }))
  t.match(lookup.machineByMac(mac(macA)), { name: 'a' })
  t.equal(lookup.machineByMac(mac(macB)), undefined)
  t.match(warnings, [{ hardware: 'n/x' }])
})

t.test('workflows of an agent are those not yet ended, oldest first', async (t) => {
  const flows = [
    workflow('c', 3, macA, 'PENDING'),
    workflow('a', 5, macA, 'RUNNING'),
    workflow('b', 1, macA, 'SUCCESS'),
    workflow('d', 2, macB, 'PENDING', 'b'),
    object('Workflow', 'e', 1, { spec: { hardwareRef: 'a' } }),
  ]
  const { lookup } = lookupWith(...flows)
  const names = (found: KubeObject[]) => found.map(({ metadata }) => metadata.name)
  t.same(names(lookup.workflowsForAgent(macA.toUpperCase())), ['c', 'a'])
  t.same(names(lookup.workflowsForAgent('nobody')), [])
  t.same(names(lookup.workflowsForHardware('n', 'a')), ['b', 'e', 'c', 'a'])
  t.same(names(lookup.workflowsForHardware('m', 'a')), [])
  lookup.apply(put(workflow('c', 3, macA, 'FAILED')))
  t.same(names(lookup.workflowsForAgent(macA)), ['a'])
  lookup.apply(put(workflow('a', 5, macB, 'RUNNING', 'b')))
  t.same(names(lookup.workflowsForAgent(macA)), [])
  t.same(names(lookup.workflowsForAgent(macB)), ['d', 'a'])
  lookup.apply(gone(flows[3]!))
  t.same(names(lookup.workflowsForHardware('n', 'b')), ['a'])
})

t.test('an instance is found by its id, which may be one of its MACs', async (t) => {
  const withId = (name: string, id: string, address: string) =>
    hardware(name, 1, { metadata: { instance: { id } }, interfaces: [nic(address)] })
  const { lookup } = lookupWith(
    withId('a', 'i-1', macA),
    withId('b', macB, macB),
    withId('c', 'i-1', macC),
    hardware('d', 1, { interfaces: [nic('02:00:00:00:00:0d')] }),
  )
  const names = (id: string) => lookup.hardwareByInstance(id).map(({ metadata }) => metadata.name)
  t.same(names('i-1'), ['a', 'c'])
  t.same(names(macB), ['b'])
  t.same(names(macA), [])
  t.same(names('02:00:00:00:00:0d'), [])
  lookup.apply(put(withId('a', 'i-2', macA)))
  t.same([names('i-1'), names('i-2')], [['c'], ['a']])
  lookup.apply(gone(withId('a', 'i-2', macA)))
  t.same(names('i-2'), [])
})

t.test('what the shelf has newer than the index is not told under an old name', async (t) => {
  const stored = (address: string) => hardware('a', 1, { interfaces: [nic(address)] }) as Hardware
  const shelf = new Map([['n/a', stored(macA)]])
  const lookup = createLookup({
    shelf: { get: (namespace, name) => shelf.get(`${namespace}/${name}`), all: () => shelf.values() },
  })
  lookup.apply(put(shelf.get('n/a')!))
  shelf.set('n/a', stored(macB))
  t.equal(lookup.machineByMac(mac(macA)), undefined)
  lookup.apply(put(shelf.get('n/a')!))
  t.match(lookup.machineByMac(mac(macB)), { name: 'a', macs: [macB] })
  t.same([...lookup.listed()], [{ namespace: 'n', name: 'a', macs: [macB] }])
  shelf.delete('n/a')
  lookup.apply(gone(stored(macB)))
  t.equal(lookup.machineByMac(mac(macB)), undefined)
  t.same([...lookup.listed()], [])
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}

async function running(t: Test, historyEvents?: number) {
  const sqlite = await openSqlite(':memory:', {
    clock: systemClock,
    ...(historyEvents ? { historyEvents } : {}),
  })
  const stop = new AbortController()
  t.teardown(async () => {
    stop.abort()
    await sqlite.close()
  })
  return { store: sqlite.store, stop }
}

t.test('it follows the store', async (t) => {
  const { store, stop } = await running(t)
  await store.create(hardware('a', 1, { interfaces: [nic(macA)] }))
  const { lookup } = lookupWith()
  t.equal(lookup.ready(), false)
  const part = runLookup({ store, lookup, log: { info() {} } }, stop.signal)
  await until(lookup.ready)
  t.ok(lookup.machineByMac(mac(macA)))
  await store.create(object('Workflow', 'w', 1, { spec: { hardwareRef: 'a' } }))
  await updateStatus(
    store,
    { kind: 'Workflow', namespace: 'n', name: 'w' },
    { agentID: macA, state: 'PENDING' },
  )
  const spec = { interfaces: [nic(macB)] }
  await patchObject(store, { kind: 'Hardware', namespace: 'n', name: 'a' }, { spec })
  await until(() => lookup.machineByMac(mac(macB)) !== undefined)
  t.equal(lookup.machineByMac(mac(macA)), undefined)
  t.equal(lookup.workflowsForAgent(macA).length, 1)
  stop.abort()
  await part
  t.equal(lookup.ready(), false)
})

t.test('it lists again when its watch has expired, and is not ready meanwhile', async (t) => {
  const { store, stop } = await running(t)
  const { lookup } = lookupWith()
  const readiness: boolean[] = []
  let watches = 0
  const failing = {
    list: store.list,
    page: (kind: 'Hardware' | 'Workflow', query: PageQuery) => {
      if (watches === 1) readiness.push(lookup.ready())
      return store.page(kind, query)
    },
    async *watch(since: number, signal: AbortSignal) {
      watches++
      if (watches > 1) return yield* store.watch(since, signal)
      yield { type: 'synced' as const, version: since }
      readiness.push(lookup.ready())
      await store.create(hardware('a', 1, { interfaces: [nic(macA)] }))
      throw new AppError('Expired', 'too old')
    },
  }
  const part = runLookup({ store: failing, lookup, log: { info() {} } }, stop.signal)
  await until(() => lookup.machineByMac(mac(macA)) !== undefined && lookup.ready())
  t.same(readiness, [true, false])
  t.equal(watches, 2)
  stop.abort()
  await part
})

t.test('another failure of the store ends it', async (t) => {
  const { lookup } = lookupWith()
  const list = () => Promise.reject(new AppError('Unavailable', 'disk gone'))
  const watch = () => {
    throw new Error('not reached')
  }
  const part = runLookup(
    { store: { list, page: list, watch }, lookup, log: { info() {} } },
    new AbortController().signal,
  )
  await t.rejects(part, { code: 'Unavailable' })
})
