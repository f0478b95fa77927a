import { pino } from 'pino'
import { ulid } from 'ulid'
import type { Hardware } from '../../src/model/hardware.ts'
import type { Mac } from '../../src/model/mac.ts'
import type { NewObject } from '../../src/model/object.ts'
import type { Workflow, WorkflowSpec } from '../../src/model/workflow.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { createObject } from '../../src/store/resource.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import type { SqliteStore } from '../../src/store/sqlite.ts'
import type { Facts, Stage } from '../../src/timeline/stage.ts'
import { createEngine } from '../../src/workflow/engine.ts'
import type { Engine } from '../../src/workflow/engine.ts'
import type { AgentCommand, AgentLink } from '../../src/workflow/link.ts'
import { createLogs } from '../../src/workflow/logs.ts'
import { plan } from '../../src/workflow/plan.ts'
import { fakeClock, until } from './clock.ts'
import type { FakeClock } from './clock.ts'
import { mac, t0 } from './runs.ts'

export const namespace = 'eksa-system'
export const silent = pino({ level: 'silent' })

/** A template of one task: each action is `name` or `name image`. */
export function template(
  actions: string[],
  { timeout = 60, globalTimeout = 0, worker = '{{.device_1}}' } = {},
): string {
  const lines = actions.map((text) => {
    const [name, image = 'actions/image2disk'] = text.split(' ')
    return `      - { name: "${name}", image: "${image}", timeout: ${timeout} }`
  })
  return `version: "0.1"
name: install
global_timeout: ${globalTimeout}
tasks:
  - name: install
    worker: "${worker}"
    environment: { LEVEL: task, COMMON: task }
    actions:
${lines.join('\n')}
`
}

export type Entry = { mac: Mac; stage: Stage; facts: Facts }

/** An engine over a real database, with its clock and all that it told. */
export type House = {
  clock: FakeClock
  sqlite: SqliteStore
  engine: Engine
  timeline: Entry[]
  /** stages of the timeline with one telling fact each */
  story(): string[]
  /** stops the engine and starts another over the same database, `downMs` later */
  restart(downMs?: number): Promise<void>
  close(): Promise<void>
  template(name: string, data: string): Promise<void>
  hardware(name: string, ...macs: string[]): Promise<void>
  workflow(name: string, spec?: WorkflowSpec): Promise<void>
  read(name: string): Promise<Workflow>
  /** waits until the Workflow is in that state */
  state(name: string, state: string): Promise<Workflow>
}

export async function openHouse(): Promise<House> {
  const clock = fakeClock(t0)
  const sqlite = await openSqlite(':memory:', { clock })
  const { store, side } = sqlite
  const timeline: Entry[] = []
  let count = 0
  const start = () => {
    const stop = new AbortController()
    const lookup = createLookup({ shelf: sqlite.shelf })
    const engine = createEngine({
      store,
      side,
      clock,
      log: silent,
      record: (who, stage, facts = {}) => timeline.push({ mac: who, stage, facts }),
      newId: ulid,
      plan,
      logs: createLogs({ side, clock, log: silent }),
      machineByAgent: lookup.machineByAgent,
    })
    const running = Promise.all([
      engine.run(stop.signal),
      runLookup({ store, lookup, log: silent }, stop.signal),
    ])
    return { engine, lookup, stop, running }
  }
  let now = start()
  const end = async () => {
    now.stop.abort()
    await now.running
  }
  const create = async (kind: string, name: string, spec: object) => {
    const object: NewObject = {
      apiVersion: 'tinkerbell.org/v1alpha1',
      kind,
      metadata: { namespace, name },
      spec,
    }
    await createObject(store, object, { clock, newUid: () => `uid-${++count}` })
  }
  const read = async (name: string) => {
    const found = await store.get({ kind: 'Workflow', namespace, name })
    return (found ?? { metadata: { name } }) as Workflow
  }
  const house: House = {
    clock,
    sqlite,
    timeline,
    get engine() {
      return now.engine
    },
    story: () =>
      timeline.map(({ stage, facts }) => [stage, facts['action'], facts['state']].filter(Boolean).join(' ')),
    restart: async (downMs = 0) => {
      await end()
      await clock.advance(downMs)
      now = start()
    },
    close: async () => {
      await end()
      await sqlite.close()
    },
    template: (name, data) => create('Template', name, { data }),
    hardware: async (name, ...macs) => {
      const interfaces = macs.map((one) => ({ dhcp: { mac: one }, netboot: { allowPXE: false } }))
      const spec: Hardware['spec'] = { interfaces, disks: [{ device: '/dev/sda' }] }
      await create('Hardware', name, spec)
      await until('lookup', () => macs.every((one) => now.lookup.machineByMac(one as Mac)))
    },
    workflow: (name, spec = {}) =>
      create('Workflow', name, {
        templateRef: 'install',
        hardwareRef: 'machine',
        hardwareMap: { device_1: mac },
        ...spec,
      }),
    read,
    state: (name, state) =>
      until(`${name} in state ${state}`, async () => {
        const found = await read(name)
        return found.status?.state === state ? found : undefined
      }),
  }
  return house
}

/** An agent in this process: what it was told, and the short forms of what it says. */
export type Agent = AgentLink & {
  told: AgentCommand[]
  closed: string | undefined
  /** names of the actions that it was told to run, in order, without repetitions */
  actions(): string[]
  current(): Extract<AgentCommand, { type: 'run-action' }>
  report(state: 'RUNNING' | 'SUCCESS' | 'FAILED' | 'TIMEOUT', message?: string): Promise<boolean>
}

export async function connectAgent(
  house: House,
  { agentId = mac, bootId = 'boot-1', actionId = '' } = {},
): Promise<Agent> {
  const told: AgentCommand[] = []
  const runs = () => told.filter((command) => command.type === 'run-action')
  const agent: Agent = {
    agentId,
    bootId,
    mac: agentId as Mac,
    told,
    closed: undefined,
    send: (command) => told.push(command),
    close: (reason) => {
      agent.closed = reason
      house.engine.disconnect(agent)
    },
    actions: () =>
      runs()
        .map(({ name }) => name)
        .filter((name, index, all) => name !== all[index - 1]),
    current: () => runs().at(-1)!,
    report: (state, message = '') => {
      const { workflowId, taskId, actionId: id, attempt } = agent.current()
      return house.engine.report(agent, { workflowId, taskId, actionId: id, attempt, state, message })
    },
  }
  await house.engine.connect(agent, { version: '1', actionId, facts: { arch: 'x86_64' } })
  return agent
}
