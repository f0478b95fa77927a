import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** Messages of proto/ironwake/v1/agent.proto as proto-loader gives and takes them (camel case, longs as numbers). */
export type ActionState =
  | 'ACTION_STATE_RUNNING'
  | 'ACTION_STATE_SUCCESS'
  | 'ACTION_STATE_FAILED'
  | 'ACTION_STATE_TIMEOUT'

export type RunAction = {
  workflowId: string
  taskId: string
  actionId: string
  name: string
  image: string
  command: string[]
  environment: Record<string, string>
  volumes: string[]
  pidNamespace: string
  networkNamespace: string
  timeoutMs: number
  attempt: number
}

export type ActionReport = {
  workflowId: string
  taskId: string
  actionId: string
  state: ActionState
  message: string
  attempt: number
}

export type DiskFacts = {
  device: string
  bytes: number
  model: string
  serial: string
  wwn: string
  rotational: boolean
}

export type NicFacts = { name: string; mac: string; driver: string; carrier: boolean }

export type MachineFacts = {
  arch: string
  kernel: string
  firmware: 'uefi' | 'bios'
  memoryBytes: number
  cpus: number
  vendor: string
  product: string
  serial: string
  disks: DiskFacts[]
  nics: NicFacts[]
}

export type Hello = {
  protocol: number
  agentId: string
  bootId: string
  token: string
  sessionKey: string
  version: string
  facts: MachineFacts
  actionId: string
}

export type AgentMessage =
  | { hello: Hello }
  | { report: ActionReport }
  | { progress: { actionId: string; doneBytes: number; totalBytes: number } }
  | { logs: { actionId: string; lines: string[] } }
  | { heartbeat: { uptimeMs: number; memoryAvailableBytes: number } }

export type ServerMessage =
  | { message: 'welcome'; welcome: { sessionKey: string; heartbeatMs: number } }
  | { message: 'runAction'; runAction: RunAction }
  | { message: 'reportAck'; reportAck: { actionId: string; state: ActionState; accepted: boolean } }
  | { message: 'drain'; drain: object }
  | { message: 'cancelAction'; cancelAction: { actionId: string; reason: string } }

export type SessionCall = grpc.ClientDuplexStream<AgentMessage, ServerMessage>

/** One connection to the server; `close` ends it and its calls. */
export type Connection = { session(): SessionCall; close(): void }

type AgentClient = grpc.Client & { session(): SessionCall }

/**
 * Prepares connections to one server.
 * @param protoFile path of agent.proto
 * @param target host:port
 * @param ca PEM of the only certificate authority that is trusted
 */
export function connector(protoFile: string, target: string, ca: string): () => Connection {
  const loaded = loadSync(protoFile, { longs: Number, enums: String, defaults: true, oneofs: true })
  const root = grpc.loadPackageDefinition(loaded) as unknown as {
    ironwake: {
      v1: { AgentService: new (...args: ConstructorParameters<typeof grpc.Client>) => AgentClient }
    }
  }
  const credentials = grpc.credentials.createSsl(Buffer.from(ca))
  const options = {
    'grpc.keepalive_time_ms': 15_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.max_receive_message_length': 16 << 20,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
  }
  return () => {
    const client = new root.ironwake.v1.AgentService(target, credentials, options)
    return { session: () => client.session(), close: () => client.close() }
  }
}
