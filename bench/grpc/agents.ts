import { randomUUID } from 'node:crypto'
import type { ClientHttp2Session } from 'node:http2'
import { agentService } from '../../src/grpc/proto.ts'
import type { WireServerMessage } from '../../src/grpc/proto.ts'
import { oldestService, workflowService } from '../../src/grpc/tinkerbell-wire.ts'
import type { WireActionResponse, WireContext, WireLegacyAction } from '../../src/grpc/tinkerbell-wire.ts'
import { call, framed, onMessages, openCall } from './frames.ts'
import type { Fleet } from './orders.ts'

/** An agent as far as the server notices. */
export type Agent = {
  /** resolves when the server knows it, or (where nothing tells) when it has asked for its action */
  connect(): Promise<void>
  /** whether it was given an action that it has not reported the end of */
  hasAction(): boolean
  /** Reports on its action. Resolves when that is answered; after SUCCESS, when it has its next action or knows of none. */
  report(state: 'RUNNING' | 'SUCCESS'): Promise<void>
  /** whether the server can tell it something at any time */
  isListening(): boolean
  /** what shows the server from time to time that it is there; nothing where its connection does */
  beat?(): void
}

export type Heard = { action(): void; drained(): void }

type Method = {
  path: string
  requestSerialize(value: unknown): Buffer
  responseDeserialize(bytes: Buffer): unknown
}
const method = (service: object, name: string) => (service as Record<string, Method>)[name]!
const session = method(agentService(), 'Session')
const current = {
  get: method(workflowService, 'GetAction'),
  report: method(workflowService, 'ReportActionStatus'),
}
const legacy = {
  contexts: method(workflowService, 'GetWorkflowContexts'),
  actions: method(workflowService, 'GetWorkflowActions'),
  report: method(oldestService, 'ReportActionStatus'),
}
const workflowPath = '/proto.WorkflowService/ReportActionStatus'
const unavailable = 14

type Base = { agentId: string; token?: string }
type Decoded = WireServerMessage & { message: string }

/** ironwake's own: one stream. */
function ownAgent(connection: ClientHttp2Session, { agentId, token = '' }: Base, heard: Heard): Agent {
  const stream = openCall(connection, session.path)
  const send = (message: object) => stream.write(framed(session.requestSerialize(message)))
  let action: Record<string, unknown> | undefined
  let welcomed = () => {}
  let acknowledged = () => {}
  const take = (message: Decoded) => {
    if ('welcome' in message && message.welcome) welcomed()
    else if ('runAction' in message && message.runAction) {
      const isFirst = action === undefined
      action = message.runAction
      if (isFirst) heard.action()
    } else if ('reportAck' in message && message.reportAck) acknowledged()
    else if (message.message === 'drain') heard.drained()
  }
  onMessages(stream, (bytes) => take(session.responseDeserialize(bytes) as Decoded))
  const facts = { arch: 'x86_64', kernel: '6.1.0', firmware: 'uefi', memoryBytes: 2 ** 36, cpus: 32 }
  const hello = { protocol: 1, agentId, bootId: randomUUID(), token, version: 'bench', facts }
  return {
    connect: () =>
      new Promise((resolve, reject) => {
        welcomed = resolve
        stream.once('close', () => reject(new Error(`${agentId}: the session has ended`)))
        send({ hello })
      }),
    hasAction: () => action !== undefined,
    isListening: () => true,
    beat: () => void send({ heartbeat: { uptimeMs: 60_000, memoryAvailableBytes: 2 ** 35 } }),
    report: (state) =>
      new Promise((resolve) => {
        const { workflowId, taskId, actionId, attempt } = action!
        acknowledged = () => {
          if (state === 'SUCCESS' && action?.['actionId'] === actionId) action = undefined
          resolve()
        }
        const message = 'done'
        send({ report: { workflowId, taskId, actionId, attempt, state: `ACTION_STATE_${state}`, message } })
      }),
  }
}

/** tink-agent: a call that is held until there is an action. */
function currentAgent(
  connection: ClientHttp2Session,
  { agentId }: Base,
  actions: number,
  heard: Heard,
): Agent {
  let action: WireActionResponse | undefined
  let given = 0
  let answered = Promise.resolve()
  const ask = async () => {
    const request = current.get.requestSerialize({ agentId })
    const { code, why, messages } = await call(connection, current.get.path, request)
    if (code === unavailable) return heard.drained()
    if (code !== 0) throw new Error(`${agentId}: GetAction ended with ${code} ${why}`)
    action = current.get.responseDeserialize(messages[0]!) as WireActionResponse
    if (given++ === 0) heard.action()
  }
  const begin = () => {
    answered = ask()
    answered.catch(() => undefined)
  }
  return {
    connect: async () => {
      begin()
      await new Promise((resolve) => connection.ping(resolve))
    },
    hasAction: () => action !== undefined,
    isListening: () => action === undefined,
    report: async (state) => {
      const { workflowId, taskId, actionId, name } = action!
      const report = { workflowId, agentId, taskId, actionId, actionName: name, actionState: state }
      const request = current.report.requestSerialize(report)
      const { code, why } = await call(connection, current.report.path, request)
      if (code !== 0) throw new Error(`${agentId}: ReportActionStatus ended with ${code} ${why}`)
      if (state !== 'SUCCESS') return
      action = undefined
      begin()
      if (given < actions) await answered
    },
  }
}

/** tink-worker: asks for its Workflow every few seconds; here until it gets one. */
function legacyAgent(connection: ClientHttp2Session, { agentId: workerId }: Base, heard: Heard): Agent {
  let context: WireContext | undefined
  let left: WireLegacyAction[] = []
  const ask = async (): Promise<void> => {
    const request = legacy.contexts.requestSerialize({ workerId })
    const { code, why, messages } = await call(connection, legacy.contexts.path, request)
    if (code !== 0) throw new Error(`${workerId}: GetWorkflowContexts ended with ${code} ${why}`)
    if (messages.length === 0) return
    context = legacy.contexts.responseDeserialize(messages[0]!) as WireContext
    const { workflowId } = context
    const answer = await call(
      connection,
      legacy.actions.path,
      legacy.actions.requestSerialize({ workflowId }),
    )
    const list = legacy.actions.responseDeserialize(answer.messages[0]!) as { actionList: WireLegacyAction[] }
    left = list.actionList
    heard.action()
  }
  const poll = async () => {
    while (!context) {
      await new Promise((resolve) => setTimeout(resolve, pollMs * (0.5 + Math.random())))
      await ask()
    }
  }
  return {
    connect: async () => {
      await ask()
      void poll()
    },
    hasAction: () => left.length > 0,
    isListening: () => false,
    report: async (state) => {
      const { taskName, name: actionName } = left[0]!
      const { workflowId } = context!
      const report = {
        workflowId,
        taskName,
        actionName,
        actionStatus: `STATE_${state}`,
        workerId,
        message: 'done',
      }
      const { code, why } = await call(connection, workflowPath, legacy.report.requestSerialize(report))
      if (code !== 0) throw new Error(`${workerId}: ReportActionStatus ended with ${code} ${why}`)
      if (state === 'SUCCESS') left.shift()
    },
  }
}

/** How often tink-worker asks, about. */
const pollMs = 5000

export function createAgent(fleet: Fleet, connection: ClientHttp2Session, base: Base, heard: Heard): Agent {
  if (fleet.kind === 'own') return ownAgent(connection, base, heard)
  if (fleet.kind === 'current') return currentAgent(connection, base, fleet.actions, heard)
  return legacyAgent(connection, base, heard)
}
