import { status } from '@grpc/grpc-js'
import type { ServerDuplexStream } from '@grpc/grpc-js'
import type { Logger } from '../log.ts'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import type { Mac } from '../model/mac.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { AgentCommand, AgentLink, Desk } from '../workflow/link.ts'
import { createInbox } from './inbox.ts'
import type { Inbox } from './inbox.ts'
import type { WireAgentMessage, WireHello, WireReport, WireServerMessage } from './proto.ts'
import { Refusal, refusalOf } from './refusal.ts'

/** Version of the protocol in proto/ironwake/v1. */
export const protocolVersion = 1

/** An agent that has not said who it is after this long is not one. */
const helloWithinMs = 10_000
const longestId = 256
/** Messages that an agent may leave unread. */
const mostUnread = 256

export type AgentCall = ServerDuplexStream<WireAgentMessage, WireServerMessage>

export type Authenticate = (credentials: {
  agentId: string
  bootId: string
  token: string
  sessionKey: string
  /** AgentAttributes as JSON; '' when the agent says none */
  attributes: string
}) => Promise<{ mac: Mac; sessionKey: string } | { rejected: string; mac?: Mac | undefined }>

export type SessionDeps = {
  engine: Desk & { heartbeatMs: number }
  /** @throws AppError Unavailable: the agent tries again */
  authenticate: Authenticate
  record: RecordStage
  clock: Clock
  log: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** One session as the server sees it. */
export type Session = {
  /** asks the agent to come back later; the agent ends the call */
  drain(): void
  /** resolves, and never throws, when the session is over */
  ended: Promise<void>
}

/**
 * Runs one agent's stream: Hello, Welcome, then its messages one after the other, each answered before the next is
 * looked at. The call ends with UNAUTHENTICATED, FAILED_PRECONDITION (protocol version), INVALID_ARGUMENT (malformed),
 * DEADLINE_EXCEEDED (no Hello), ABORTED (another session took over, or silence) or UNAVAILABLE (try again).
 */
export function openSession(deps: SessionDeps, call: AgentCall): Session {
  const peer = call.getPeer()
  const inbox = createInbox(call)
  const write = writer(call, inbox)
  let refusal: Refusal | undefined
  const refuse = (reason: Refusal) => {
    refusal ??= reason
    inbox.close()
  }
  const ended = converse(deps, inbox, write, refuse)
    .catch((error: unknown) => refuse(refusalOf(error)))
    .then(() => {
      inbox.close()
      if (!refusal) return void call.end()
      deps.log.warn({ peer, code: refusal.code, why: refusal.message }, 'agent session ended by the server')
      call.emit('error', { code: refusal.code, details: refusal.message })
    })
  return { ended, drain: () => void write({ drain: {} }) }
}

type Write = (message: WireServerMessage) => Promise<void>

/** Resolves when the message was handed to the network; an agent that does not read is cut off. */
function writer(call: AgentCall, inbox: Inbox<unknown>): Write {
  let unread = 0
  call.setMaxListeners(mostUnread + 16)
  return (message) =>
    new Promise((resolve) => {
      if (call.cancelled || call.destroyed || call.writableEnded) return resolve()
      if (++unread > mostUnread) {
        inbox.close()
        call.destroy()
        return resolve()
      }
      call.once('close', resolve)
      call.write(message, () => {
        unread--
        call.off('close', resolve)
        resolve()
      })
    })
}

async function converse(
  deps: SessionDeps,
  inbox: Inbox<WireAgentMessage>,
  write: Write,
  refuse: (reason: Refusal) => void,
): Promise<void> {
  const hello = await firstMessage(deps.clock, inbox)
  if (!hello) return
  const known = await identify(deps, hello)
  await write({ welcome: { sessionKey: known.sessionKey, heartbeatMs: deps.engine.heartbeatMs } })
  const link: AgentLink = {
    agentId: hello.agentId,
    bootId: hello.bootId,
    mac: known.mac,
    send: (command) => void write(onWire(command)),
    close: (reason) => refuse(new Refusal(status.ABORTED, reason)),
  }
  const { actionId, version } = hello
  try {
    await deps.engine.connect(link, { actionId, version: version.slice(0, 64), facts: factsOf(hello) })
    for (let next = await inbox.next(); next; next = await inbox.next()) await take(deps, link, next, write)
  } finally {
    deps.engine.disconnect(link)
  }
}

/** @returns `undefined` when the call ended before the agent said anything */
async function firstMessage(clock: Clock, inbox: Inbox<WireAgentMessage>): Promise<WireHello | undefined> {
  const nap = new AbortController()
  const late = clock.sleep(helloWithinMs, nap.signal).then(() => 'late' as const)
  // With a reason: an error, which is made where there is none, costs more than the rest of this.
  const first = await Promise.race([inbox.next(), late]).finally(() => nap.abort('said'))
  if (first === undefined) return undefined
  if (first === 'late')
    throw new Refusal(status.DEADLINE_EXCEEDED, `no Hello within ${helloWithinMs / 1000} s`)
  if (first.message === 'malformed') throw malformed(first.why)
  if (first.message !== 'hello')
    throw new Refusal(status.FAILED_PRECONDITION, 'the first message must be Hello')
  const { hello } = first
  if (hello.protocol !== protocolVersion) {
    const message = `protocol ${hello.protocol} is not served, expected ${protocolVersion}`
    throw new Refusal(status.FAILED_PRECONDITION, message)
  }
  for (const field of ['agentId', 'bootId'] as const)
    if (hello[field] === '' || hello[field].length > longestId)
      throw malformed(`hello.${field} must have 1 to ${longestId} characters`)
  checkId('hello.actionId', hello.actionId)
  return hello
}

async function identify(deps: SessionDeps, hello: WireHello): Promise<{ mac: Mac; sessionKey: string }> {
  const { agentId, bootId, token, sessionKey } = hello
  const result = await deps.authenticate({
    agentId,
    bootId,
    token,
    sessionKey,
    attributes: hello.facts?.attributes ?? '',
  })
  if (!('rejected' in result)) return result
  if (result.mac) deps.record(result.mac, 'agent-rejected', { why: result.rejected })
  throw new Refusal(status.UNAUTHENTICATED, result.rejected)
}

async function take(deps: SessionDeps, link: AgentLink, next: WireAgentMessage, write: Write): Promise<void> {
  const { engine } = deps
  switch (next.message) {
    case 'report':
      return takeReport(deps, link, next.report, write)
    case 'progress': {
      const { actionId, doneBytes, totalBytes } = next.progress
      checkId('progress.action_id', actionId)
      return engine.progress(link, { actionId, doneBytes, totalBytes })
    }
    case 'logs':
      checkId('logs.action_id', next.logs.actionId)
      return engine.log(link, next.logs.actionId, next.logs.lines)
    case 'heartbeat':
      return engine.heartbeat(link)
    case 'hello':
      throw malformed('a second Hello')
    case 'malformed':
      throw malformed(next.why)
    default:
      // A message of a later version of the protocol: it may be left out.
      return engine.heartbeat(link)
  }
}

const reportStates = {
  ACTION_STATE_RUNNING: 'RUNNING',
  ACTION_STATE_SUCCESS: 'SUCCESS',
  ACTION_STATE_FAILED: 'FAILED',
  ACTION_STATE_TIMEOUT: 'TIMEOUT',
} as const

/** A report that cannot be written down is not acknowledged: the agent repeats it. */
async function takeReport(
  deps: SessionDeps,
  link: AgentLink,
  report: WireReport,
  write: Write,
): Promise<void> {
  const name = String(report.state)
  if (!Object.hasOwn(reportStates, name)) throw malformed(`report.state ${name}`)
  const state = reportStates[name as keyof typeof reportStates]
  const { actionId, workflowId, taskId, message, attempt } = report
  checkId('report.action_id', actionId)
  try {
    const accepted = await deps.engine.report(link, { workflowId, taskId, actionId, state, message, attempt })
    await write({ reportAck: { actionId, state: name, accepted } })
  } catch (error) {
    deps.log.error({ agent: link.agentId, action: actionId, why: messageOf(error) }, 'report not written')
  }
}

function onWire(command: AgentCommand): WireServerMessage {
  if (command.type === 'run-action') {
    const { type: _, ...runAction } = command
    return { runAction }
  }
  const { type, actionId, reason } = command
  return type === 'pause-action'
    ? { pauseAction: { actionId, reason } }
    : { cancelAction: { actionId, reason } }
}

function factsOf({ facts }: WireHello): Record<string, string | number> {
  if (!facts) return {}
  const { arch, firmware, kernel, vendor, product, serial, cpus } = facts
  const named = { arch, firmware, kernel, vendor, product, serial }
  const texts = Object.entries(named).filter(([, text]) => text !== '')
  return {
    ...Object.fromEntries(texts),
    cpus,
    memoryMiB: Math.round(facts.memoryBytes / 2 ** 20),
    disks: facts.disks.length,
  }
}

function checkId(field: string, id: string): void {
  if (id.length > longestId)
    throw malformed(`${field} has ${id.length} characters, expected at most ${longestId}`)
}

const malformed = (why: string) => new Refusal(status.INVALID_ARGUMENT, `malformed message: ${why}`)
