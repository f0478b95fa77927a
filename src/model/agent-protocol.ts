/**
 * Messages of proto/ironwake/v1/agent.proto as proto-loader gives and takes them: names in camel case, 64-bit numbers as
 * numbers, enums by name, absent fields as their defaults.
 */
export type ActionState =
  | 'ACTION_STATE_RUNNING'
  | 'ACTION_STATE_SUCCESS'
  | 'ACTION_STATE_FAILED'
  | 'ACTION_STATE_TIMEOUT'

export type RunAction = {
  /** `namespace/name` */
  workflowId: string
  taskId: string
  actionId: string
  name: string
  image: string
  command: readonly string[]
  environment: Readonly<Record<string, string>>
  volumes: readonly string[]
  pidNamespace: string
  networkNamespace: string
  /** until the server's deadline, at least 1 */
  timeoutMs: number
  attempt: number
  /** commands for the action's image once it has run out of time, or failed; empty or absent: none */
  onTimeout?: readonly string[]
  onFailure?: readonly string[]
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
  /** `uefi` or `bios` */
  firmware: string
  memoryBytes: number
  cpus: number
  vendor: string
  product: string
  serial: string
  disks: DiskFacts[]
  nics: NicFacts[]
  /** AgentAttributes as JSON; empty or absent once the server has them */
  attributes?: string
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

/** As an agent sends it. */
export type AgentMessage =
  | { hello: Hello }
  | { report: ActionReport }
  | { progress: { actionId: string; doneBytes: number; totalBytes: number } }
  | { logs: { actionId: string; lines: string[] } }
  | { heartbeat: { uptimeMs: number; memoryAvailableBytes: number } }

/** As an agent gets it. */
export type ServerMessage =
  | { message: 'welcome'; welcome: { sessionKey: string; heartbeatMs: number } }
  | { message: 'runAction'; runAction: RunAction }
  | { message: 'reportAck'; reportAck: { actionId: string; state: ActionState; accepted: boolean } }
  | { message: 'drain'; drain: object }
  | { message: 'cancelAction'; cancelAction: { actionId: string; reason: string } }
  | { message: 'pauseAction'; pauseAction: { actionId: string; reason: string } }
