import { pino } from 'pino'
import { ulid } from 'ulid'
import type { KubeDeps } from '../../src/kube/server.ts'
import { metadataHttp } from '../../src/metadata/http.ts'
import { systemClock } from '../../src/model/clock.ts'
import { parseMac } from '../../src/model/mac.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { checkTemplate } from '../../src/template/render.ts'
import { createEngine } from '../../src/workflow/engine.ts'
import type { Engine } from '../../src/workflow/engine.ts'
import type { AgentLink } from '../../src/workflow/link.ts'
import { createLogs } from '../../src/workflow/logs.ts'
import { plan } from '../../src/workflow/plan.ts'
import { startServer } from './server.ts'
import type { TestServer } from './server.ts'

const silent = pino({ level: 'silent' })

/** An API server that checks what it stores, and beside it what drives Workflows and serves metadata. */
export type Site = {
  server: TestServer
  /** an agent on the machine with this MAC that carries out whatever it is told */
  attachAgent(mac: string): Promise<void>
  /** the user-data that the machine with this address gets, or the status of the refusal */
  userDataFor(ip: string): Promise<string | number>
  close(): Promise<void>
}

export async function openSite(options: Partial<KubeDeps> = {}): Promise<Site> {
  const admission = {
    checkTemplate,
    renderWorkflow: (input: Omit<Parameters<typeof plan>[0], 'newId' | 'now'>) =>
      void plan({ ...input, newId: ulid, now: systemClock.now() }),
  }
  const server = await startServer({ admission, ...options })
  const { engine, userDataFor, close } = services(server)
  return {
    server,
    attachAgent: (mac) => attachAgent(engine, mac),
    userDataFor,
    close: async () => {
      await close()
      await server.close()
    },
  }
}

async function attachAgent(engine: Engine, mac: string): Promise<void> {
  const link: AgentLink = {
    agentId: mac,
    mac: parseMac(mac)!,
    bootId: `boot-${mac}`,
    close: () => engine.disconnect(link),
    send: (command) => {
      if (command.type !== 'run-action') return
      const { workflowId, taskId, actionId, attempt } = command
      void engine.report(link, { workflowId, taskId, actionId, attempt, state: 'SUCCESS', message: 'done' })
    },
  }
  await engine.connect(link, { version: '1', actionId: '', facts: {} })
}

/** Engine, lookup and metadata service on the store of an API server. */
function services({ db }: TestServer) {
  const lookup = createLookup({ shelf: db.shelf })
  const stop = new AbortController()
  const { store, side } = db
  const record = () => undefined
  const clock = systemClock
  const engine = createEngine({
    store,
    side,
    clock,
    log: silent,
    record,
    newId: ulid,
    plan,
    logs: createLogs({ side, clock, log: silent }),
    machineByAgent: lookup.machineByAgent,
  })
  const metadata = metadataHttp({ ...lookup, log: silent, record, phonedHome: () => undefined })
  const running = Promise.all([
    engine.run(stop.signal),
    runLookup({ store, lookup, log: silent }, stop.signal),
  ])
  const userDataFor = async (ip: string) => {
    const { statusCode, body } = await metadata.inject({ url: '/2009-04-04/user-data', remoteAddress: ip })
    return statusCode === 200 ? body : statusCode
  }
  const close = async () => {
    stop.abort()
    await running
    await metadata.close()
  }
  return { engine, userDataFor, close }
}
