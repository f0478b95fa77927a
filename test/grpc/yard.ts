import { createConnection, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChannelCredentials } from '@grpc/grpc-js'
import type { Admission, Roster } from '../../src/grpc/admit.ts'
import { systemClock } from '../../src/model/clock.ts'
import { createObject } from '../../src/store/resource.ts'
import type { Desk } from '../../src/workflow/link.ts'
import { namespace, openHouse } from '../workflow/house.ts'
import type { House } from '../workflow/house.ts'
import { currentAgent } from './agent-current.ts'
import type { AgentOptions, Ending, Work } from './agent-host.ts'
import { legacyAgent } from './agent-legacy.ts'
import { rosterOf } from './roster.ts'
import { openSite } from './site.ts'
import type { Site } from './site.ts'

type Engine = Desk & { heartbeatMs: number }
export type Machine = { name: string; mac: string; ip?: string }

/** A house with its agents' port, and the machines that are in it. */
export type Yard = {
  house: House
  site: Site
  machine(machine: Machine): Promise<void>
  /** a Workflow from this template for the machine, which the template calls `device_1` */
  workflow(name: string, template: string, mac: string): Promise<void>
  /** ends the port and everything behind it, and opens both again */
  reopen(): Promise<void>
  close(): Promise<void>
}

export type YardOptions = {
  admission?: Admission
  holdMs?: number
  /** puts something between the port and the engine */
  between?(engine: Engine): Engine
}

export async function openYard(options: YardOptions = {}): Promise<Yard> {
  const { admission = 'id', holdMs = 2000, between = (engine) => engine } = options
  const house = await openHouse()
  let roster = await rosterOf(house.sqlite.store)
  const now: Roster = {
    machineByIp: (ip) => roster.machineByIp(ip),
    machineByAgent: (id) => roster.machineByAgent(id),
  }
  const open = () =>
    openSite({
      engine: between(house.engine),
      tinkerbell: { admission, roster: now, ready: () => true, holdMs },
      clock: { now: house.clock.now, sleep: systemClock.sleep },
      record: (mac, stage, facts = {}) => house.timeline.push({ mac, stage, facts }),
    })
  let site = await open()
  return {
    house,
    get site() {
      return site
    },
    machine: async ({ name, mac, ip }) => {
      const dhcp = { mac, ...(ip === undefined ? {} : { ip: { address: ip, netmask: '255.0.0.0' } }) }
      const object = {
        apiVersion: 'tinkerbell.org/v1alpha1',
        kind: 'Hardware',
        metadata: { namespace, name },
        spec: { interfaces: [{ dhcp, netboot: { allowPXE: true } }], disks: [{ device: '/dev/sda' }] },
      }
      await createObject(house.sqlite.store, object, { clock: house.clock, newUid: () => `uid-of-${name}` })
      roster = await rosterOf(house.sqlite.store)
    },
    workflow: async (name, template, mac) => {
      await house.template(name, template)
      await house.workflow(name, { templateRef: name, hardwareRef: '', hardwareMap: { device_1: mac } })
    },
    reopen: async () => {
      await site.stop()
      await house.restart()
      site = await open()
    },
    close: async () => {
      await site.stop()
      await house.close()
    },
  }
}

/** A template of these tasks, each with actions `name` or `name image`. */
export function tasks(
  plan: Record<string, string[]>,
  { timeout = 60, worker = '{{.device_1}}' } = {},
): string {
  const lines = Object.entries(plan).flatMap(([task, actions]) => [
    `  - name: ${task}`,
    `    worker: "${worker}"`,
    '    volumes: [/dev:/dev]',
    '    environment: { LEVEL: task, TASK: "1" }',
    '    actions:',
    ...actions.map((text) => {
      const [name, image = 'quay.io/tinkerbell/actions/image2disk:latest'] = text.split(' ')
      const more = 'command: [a, b], volumes: [/lib:/lib], environment: { LEVEL: action, A: x=y }'
      return `      - { name: ${name}, image: "${image}", timeout: ${timeout}, pid: host, ${more} }`
    }),
  ])
  return ['version: "0.1"', 'name: install', 'global_timeout: 6000', 'tasks:', ...lines].join('\n')
}

/** An agent at work in this process. */
export type Running = {
  /** names of the actions that it has run */
  ran: string[]
  works: Work[]
  points: string[]
  /** `GetAction 9` */
  codes: string[]
  stop(): Promise<void>
  /** why it ended by itself */
  over: Promise<string | undefined>
}

export type Kind = 'current' | 'legacy' | 'legacy-0.6'

export function runAgent(
  kind: Kind,
  port: number,
  id: string,
  how: {
    run?(work: Work): Promise<Ending>
    at?(point: string): Promise<void>
    credentials?: ChannelCredentials
  } = {},
): Running {
  const stop = new AbortController()
  const [ran, works, points, codes] = [[] as string[], [] as Work[], [] as string[], [] as string[]]
  const options: AgentOptions = {
    authority: `127.0.0.1:${port}`,
    ...(how.credentials ? { credentials: how.credentials } : {}),
    id,
    signal: stop.signal,
    host: {
      at: async (point) => {
        points.push(point)
        await how.at?.(point)
      },
      run: async (work) => {
        ran.push(work.name)
        works.push(work)
        return (await how.run?.(work)) ?? 'SUCCESS'
      },
      failed: (method, code) => codes.push(`${method} ${code}`),
    },
  }
  const over: Promise<string | undefined> =
    kind === 'current'
      ? currentAgent(options)
      : legacyAgent({ ...options, release: kind === 'legacy' ? '0.9' : '0.6' }).then(() => undefined)
  return {
    ran,
    works,
    points,
    codes,
    over,
    stop: async () => {
      stop.abort()
      await over
    },
  }
}

/** A port through which connections come from `address`. */
export async function comingFrom(
  address: string,
  port: number,
): Promise<{ port: number; close(): void; cut(): void }> {
  const pairs = new Set<{ destroy(): void }>()
  const server = createServer((near) => {
    const far = createConnection({ host: '127.0.0.1', port, localAddress: address })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      pairs.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => {
        pairs.delete(from)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of pairs) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    close: () => {
      server.close()
      cut()
    },
  }
}

export async function until(what: string, condition: () => unknown, withinMs = 10_000): Promise<void> {
  const end = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`never happened: ${what}`)
    await sleep(5)
  }
}
