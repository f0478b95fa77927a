import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { pino } from 'pino'
import { agentProtoFile, protoOptions } from '../../src/grpc/proto.ts'
import type { WireAgentMessage } from '../../src/grpc/proto.ts'
import { grpcServer } from '../../src/grpc/server.ts'
import type { GrpcDeps } from '../../src/grpc/server.ts'
import { systemClock } from '../../src/model/clock.ts'
import type { Mac } from '../../src/model/mac.ts'
import { createCa, issueServerCertificate } from '../../src/pki/certificate.ts'
import type { AgentHello, AgentLink, AgentReport, Desk } from '../../src/workflow/link.ts'

export const mac = '52:54:00:00:00:01' as Mac
const address = '127.0.0.1'
const now = Date.now()
const ca = await createCa(now)
/** what verifies the site's certificate */
export const siteCa = ca.certPem
const certificate = await issueServerCertificate(ca, { addresses: [address], hostnames: [] }, now)
const { ironwake } = grpc.loadPackageDefinition(loadSync(agentProtoFile, protoOptions)) as unknown as {
  ironwake: { v1: { AgentService: grpc.ServiceClientConstructor } }
}

/** An engine that notes what it is asked. */
export type Recorder = Desk & {
  heartbeatMs: number
  links: AgentLink[]
  hellos: AgentHello[]
  gone: AgentLink[]
  reports: AgentReport[]
  progressed: unknown[]
  logged: unknown[]
  beats: number
  /** what `report` does */
  onReport: (report: AgentReport) => Promise<boolean>
}

export function recorder(): Recorder {
  const self: Recorder = {
    heartbeatMs: 1234,
    links: [],
    hellos: [],
    gone: [],
    reports: [],
    progressed: [],
    logged: [],
    beats: 0,
    onReport: async () => true,
    connect: async (link, hello) => {
      self.links.push(link)
      self.hellos.push(hello)
    },
    disconnect: (link) => self.gone.push(link),
    ready: async () => undefined,
    workflow: () => undefined,
    report: async (_link, report) => {
      self.reports.push(report)
      return self.onReport(report)
    },
    progress: (_link, progress) => self.progressed.push(progress),
    log: (_link, actionId, lines) => self.logged.push([actionId, ...lines]),
    heartbeat: () => self.beats++,
  }
  return self
}

export type Site = {
  port: number
  engine: Recorder
  stages: unknown[]
  /** aborts the server and waits for its end */
  stop(): Promise<void>
  client(options?: { plain?: boolean; ca?: string }): Conversation
}

export async function openSite(changes: Partial<GrpcDeps> = {}): Promise<Site> {
  const engine = recorder()
  const stages: unknown[] = []
  const abort = new AbortController()
  let running: Promise<void> = Promise.resolve()
  const port = await new Promise<number>((onListening, reject) => {
    const part = grpcServer({
      engine,
      authenticate: async ({ token, sessionKey }) =>
        token === 'good' || sessionKey === 'key'
          ? { mac, sessionKey: 'key' }
          : { rejected: 'token-unknown', mac },
      tinkerbell: {
        admission: 'off',
        roster: { machineByIp: () => undefined, machineByAgent: () => undefined },
        ready: () => true,
      },
      record: (...stage) => stages.push(stage),
      clock: systemClock,
      log: pino({ level: 'silent' }),
      address,
      port: 0,
      plain: true,
      drainMs: 100,
      tls: certificate,
      onListening,
      ...changes,
    })
    running = part(abort.signal)
    running.catch(reject)
  })
  const clients = new Set<grpc.Client>()
  return {
    port,
    engine,
    stages,
    stop: async () => {
      abort.abort()
      await running
      for (const client of clients) client.close()
    },
    client: ({ plain = false, ca: trusted = ca.certPem } = {}) => {
      const credentials = plain
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createSsl(Buffer.from(trusted))
      const client = new ironwake.v1.AgentService(`${address}:${port}`, credentials, {
        'grpc.enable_http_proxy': 0,
      })
      clients.add(client)
      return converse(client)
    },
  }
}

type Up = { [kind: string]: unknown }
type Down = { message: string; [kind: string]: unknown }
export type End = { code: number; details: string }

/** One call of Session. */
export type Conversation = {
  say(message: Up): void
  /** raw bytes in place of a message */
  sayBytes(bytes: Buffer): void
  /** the next message of the server */
  hear(): Promise<Down>
  hangUp(): void
  /** closes the connection under the call */
  cut(): void
  ended: Promise<End>
}

function converse(client: grpc.Client): Conversation {
  const serialize = (message: Up | Buffer) =>
    Buffer.isBuffer(message)
      ? message
      : ironwake.v1.AgentService.service['Session']!.requestSerialize(message as unknown as WireAgentMessage)
  const { path, responseDeserialize } = ironwake.v1.AgentService.service['Session']!
  const call = client.makeBidiStreamRequest<Up | Buffer, Down>(path, serialize, responseDeserialize as never)
  const heard: Down[] = []
  let wake = () => {}
  call.on('data', (message: Down) => {
    heard.push(message)
    wake()
  })
  const ended = new Promise<End>((resolve) => {
    call.on('error', ({ code, details }: grpc.ServiceError) => resolve({ code, details }))
    call.on('status', ({ code, details }: grpc.StatusObject) => resolve({ code, details }))
  })
  void ended.then(() => wake())
  return {
    ended,
    say: (message) => call.write(message),
    sayBytes: (bytes) => call.write(bytes),
    hangUp: () => call.end(),
    cut: () => {
      call.cancel()
      client.close()
    },
    hear: async () => {
      const over = ended.then(({ code, details }) => {
        throw new Error(`the call ended: ${code} ${details}`)
      })
      over.catch(() => undefined)
      while (heard.length === 0) await Promise.race([over, new Promise<void>((resolve) => (wake = resolve))])
      return heard.shift()!
    },
  }
}

export const hello = (changes: object = {}) => ({
  hello: {
    protocol: 1,
    agentId: mac,
    bootId: 'boot-1',
    token: 'good',
    version: '0.1.0',
    facts: {
      arch: 'x86_64',
      firmware: 'uefi',
      memoryBytes: 2 ** 31,
      cpus: 2,
      disks: [{ device: '/dev/sda' }],
    },
    ...changes,
  },
})
