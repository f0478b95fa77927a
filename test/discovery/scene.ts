import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { ulid } from 'ulid'
import { bootIdentity } from '../../src/boot/identity.ts'
import type { Identity } from '../../src/boot/identity.ts'
import { DiscoveryConfig } from '../../src/discovery/config.ts'
import { createDiscovery } from '../../src/discovery/discovery.ts'
import type { Discovery } from '../../src/discovery/discovery.ts'
import type { Admission } from '../../src/grpc/admit.ts'
import { systemClock as clock } from '../../src/model/clock.ts'
import type { Ip4 } from '../../src/model/ip4.ts'
import type { Hardware, HardwareSpec } from '../../src/model/hardware.ts'
import type { KindName } from '../../src/model/kinds.ts'
import type { Mac } from '../../src/model/mac.ts'
import type { KubeObject } from '../../src/model/object.ts'
import type { WorkflowRuleSetSpec } from '../../src/model/workflow-rule-set.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { createObject } from '../../src/store/resource.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { createEngine } from '../../src/workflow/engine.ts'
import { createLogs } from '../../src/workflow/logs.ts'
import { plan } from '../../src/workflow/plan.ts'
import { openSite } from '../grpc/site.ts'
import type { Conversation, Site } from '../grpc/site.ts'
import { Value } from 'typebox/value'

const silent = pino({ level: 'silent' })
export const namespace = 'default'

/** A server's agents' port, engine, identities and discovery over a real database. */
export type Scene = {
  store: Store
  site: Site
  identity: Identity
  discovery: Discovery
  /** stages told, with their facts */
  story: { mac: Mac; stage: string; facts: Readonly<Record<string, unknown>> }[]
  /** messages of the log at level warn */
  warnings: string[]
  create(kind: KindName, name: string, spec: object, where?: string): Promise<KubeObject>
  hardware(name: string, spec: HardwareSpec): Promise<void>
  ruleSet(name: string, spec: WorkflowRuleSetSpec, where?: string): Promise<void>
  read<T extends KubeObject>(kind: KindName, name: string, where?: string): Promise<T | undefined>
  /** waits for what `look` finds */
  until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>>
  found(name: string): Promise<Hardware>
  ended(name: string): Promise<Workflow>
}

export type SceneOptions = {
  settings?: Partial<DiscoveryConfig>
  admission?: Admission
  holdMs?: number
  holderOf?: (ip: Ip4) => Mac | undefined
}

export async function openScene(
  t: { teardown(end: () => Promise<void>): void },
  { settings = {}, admission = 'address', holdMs = 500, holderOf }: SceneOptions = {},
): Promise<Scene> {
  const sqlite = await openSqlite(':memory:', { clock })
  const { store, side } = sqlite
  const story: Scene['story'] = []
  const record = (mac: Mac, stage: string, facts: object = {}) =>
    void story.push({ mac, stage, facts: { ...facts } })
  const lookup = createLookup({ shelf: sqlite.shelf })
  const warnings: string[] = []
  const log = {
    info: () => {},
    error: () => {},
    warn: (_facts: unknown, text: string) => warnings.push(text),
  }
  const engine = createEngine({
    store,
    side,
    clock,
    record,
    plan,
    newId: ulid,
    log: silent,
    logs: createLogs({ side, clock, log: silent }),
    machineByAgent: lookup.machineByAgent,
  })
  const { machineByMac } = lookup
  const identity = bootIdentity({ side, clock, machineByMac, alarm: () => {} })
  await identity.load()
  const discovery = createDiscovery({
    store,
    lookup,
    identity,
    clock,
    record,
    holderOf,
    settings: {
      ...(Value.Create(DiscoveryConfig) as DiscoveryConfig),
      enabled: true,
      autoEnrollment: true,
      ...settings,
    },
    newUid: randomUUID,
    log: log as never,
  })
  const stop = new AbortController()
  const running = Promise.all([
    engine.run(stop.signal),
    runLookup({ store, lookup, log: silent }, stop.signal),
    discovery.run(stop.signal),
  ])
  const site = await openSite({
    engine: discovery.desk(engine),
    authenticate: discovery.authenticate,
    tinkerbell: { admission, roster: lookup, ready: lookup.ready, holdMs, discovery },
    record,
  })
  t.teardown(async () => {
    await site.stop()
    stop.abort()
    await running
    await sqlite.close()
  })
  const create: Scene['create'] = (kind, name, spec, where = namespace) => {
    const object = { apiVersion: 'tinkerbell.org/v1alpha1', kind, metadata: { namespace: where, name }, spec }
    return createObject(store, object, { clock, newUid: randomUUID })
  }
  const read = async <T extends KubeObject>(kind: KindName, name: string, where = namespace) =>
    (await store.get({ kind, namespace: where, name })) as T | undefined
  const until = async <T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> => {
    for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(20)) {
      const found = await look()
      if (found) return found
    }
    throw new Error(`not within 20 s: ${what}; ${JSON.stringify(story.slice(-5))}`)
  }
  await until('lookup', () => lookup.ready())
  return {
    store,
    site,
    identity,
    discovery,
    story,
    warnings,
    create,
    read,
    until,
    hardware: async (name, spec) => {
      await create('Hardware', name, spec)
      await until('lookup', () => lookup.hardware(namespace, name))
    },
    ruleSet: async (name, spec, where) => void (await create('WorkflowRuleSet', name, spec, where)),
    found: (name) =>
      until(`Hardware ${name}`, () => read<Hardware & KubeObject>('Hardware', name)) as Promise<Hardware>,
    ended: (name) =>
      until(`${name} ended`, async () => {
        const workflow = await read<Workflow & KubeObject>('Workflow', name)
        return ['SUCCESS', 'FAILED', 'TIMEOUT'].includes(workflow?.status?.state ?? '') ? workflow : undefined
      }) as Promise<Workflow>,
  }
}

export const attributes = {
  cpu: { totalCores: 8, totalThreads: 16 },
  memory: { total: '32GB' },
  blockDevices: [{ name: 'sda', size: '1TB' }, { name: 'sr0' }],
  networkInterfaces: [
    { name: 'eth0', mac: '52:54:00:aa:00:01' },
    { name: 'eth1', mac: '52:54:00:aa:00:02' },
  ],
  product: { name: 'PowerEdge R640', vendor: 'Dell Inc.' },
}

/** The agent of a machine that boots as an unknown one, and says so. */
export function ownAgent(scene: Scene, mac: string, changes: object = {}): Conversation {
  const agent = scene.site.client()
  const token = scene.identity.strangerToken(mac as Mac)
  const facts = { attributes: JSON.stringify(attributes) }
  agent.say({
    hello: { protocol: 1, agentId: mac, bootId: 'boot-1', token, version: '1', facts, ...changes },
  })
  return agent
}

/** Carries out whatever the agent is told. @returns names of the actions, once it has hung up */
export async function obey(agent: Conversation): Promise<string[]> {
  const ran: string[] = []
  for (;;) {
    const said = await agent.hear().catch(() => undefined)
    if (!said) return ran
    const command = said['runAction'] as Record<string, string> | undefined
    if (!command) continue
    ran.push(command['name']!)
    const { workflowId, taskId, actionId } = command
    agent.say({ report: { workflowId, taskId, actionId, state: 'ACTION_STATE_SUCCESS', attempt: 1 } })
  }
}
