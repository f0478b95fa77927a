import { status } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import { backoffMs } from './backoff.ts'
import type { BootIdentity } from './boot.ts'
import type { Outbox } from './outbox.ts'
import type { Runner } from './runner.ts'
import type { MachineFacts, ServerMessage } from '../model/agent-protocol.ts'
import type { Connection, SessionCall } from './wire.ts'

type Deps = {
  connect: () => Connection
  identity: BootIdentity
  bootId: string
  version: string
  facts: () => Promise<MachineFacts>
  health: () => Promise<{ uptimeMs: number; memoryAvailableBytes: number }>
  sessionKey: { get(): string; set(key: string): void }
  runner: Runner
  outbox: Outbox
  clock: Clock
  random: () => number
  say: (line: string) => void
  /** looks into a failed connection; may put right what made it fail */
  onConnectFailure: (message: string) => Promise<void>
}

const protocol = 1
const welcomeWithinMs = 15_000

/** How a session came to its end. */
type Ended = { welcomed: boolean; why: string; code?: number }

/** Keeps a session with the server until `signal` aborts; after every end it comes back, with growing pauses. */
export async function runSession(deps: Deps, signal: AbortSignal): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const ended = await oneSession(deps, signal).catch((error: unknown): Ended => ({
      welcomed: false,
      why: messageOf(error),
    }))
    if (signal.aborted) return
    if (ended.welcomed) failures = 0
    if (ended.code === status.UNAUTHENTICATED) deps.sessionKey.set('')
    if (ended.code === status.UNAVAILABLE) await deps.onConnectFailure(ended.why)
    const wait = backoffMs(failures++, deps.random())
    deps.say(
      `session with ${deps.identity.grpc} ended: ${explain(ended)}; next try in ${(wait / 1000).toFixed(1)} s`,
    )
    await deps.clock.sleep(wait, signal)
  }
}

function explain({ why, code }: Ended): string {
  if (code === status.UNAUTHENTICATED) {
    return `the server does not accept this boot's identity (${why}); boot the machine from the network again for a new one`
  }
  if (code === status.FAILED_PRECONDITION)
    return `${why}; the netboot OS and the server are of different versions`
  return why
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replace(/\.? Resolution note: *$/, '')
}

async function oneSession(deps: Deps, outer: AbortSignal): Promise<Ended> {
  const key = deps.sessionKey.get()
  const hello = {
    protocol,
    agentId: deps.identity.agentId,
    bootId: deps.bootId,
    token: key ? '' : deps.identity.token,
    sessionKey: key,
    version: deps.version,
    facts: await deps.facts(),
    actionId: deps.runner.currentActionId(),
  }
  const connection = deps.connect()
  const over = new AbortController()
  const stop = AbortSignal.any([outer, over.signal])
  try {
    const call = connection.session()
    const ended = converse(deps, call, stop)
    call.write({ hello })
    return await ended
  } finally {
    over.abort()
    connection.close()
  }
}

/** Takes the server's messages until the call ends. */
function converse(deps: Deps, call: SessionCall, stop: AbortSignal): Promise<Ended> {
  let welcomed = false
  let tooLate = false
  const noWelcome = setTimeout(() => {
    tooLate = true
    call.cancel()
  }, welcomeWithinMs)
  stop.addEventListener('abort', () => call.cancel(), { once: true })
  return new Promise<Ended>((resolve) => {
    call.on('data', (message: ServerMessage) => {
      if (message.message === 'drain') {
        return resolve({ welcomed, why: 'the server is going away' })
      }
      if (message.message !== 'welcome') return welcomed ? obey(deps, message) : undefined
      if (welcomed) return
      welcomed = true
      clearTimeout(noWelcome)
      deps.sessionKey.set(message.welcome.sessionKey)
      deps.say(`session with ${deps.identity.grpc} open as ${deps.identity.agentId}`)
      const up = deps.outbox.drive((next) => call.write(next), stop)
      const beats = heartbeats(deps, call, message.welcome.heartbeatMs, stop)
      Promise.all([up, beats]).catch((error: unknown) => resolve({ welcomed, why: messageOf(error) }))
    })
    call.on('error', (error: ServiceError) => {
      const why = tooLate ? `no welcome within ${welcomeWithinMs / 1000} s` : error.details || error.message
      resolve({ welcomed, why, code: error.code })
    })
    call.on('end', () => resolve({ welcomed, why: 'closed by the server' }))
  }).finally(() => clearTimeout(noWelcome))
}

function obey(deps: Deps, message: ServerMessage): void {
  if (message.message === 'runAction') deps.runner.run(message.runAction)
  if (message.message === 'cancelAction')
    deps.runner.cancel(message.cancelAction.actionId, message.cancelAction.reason)
  if (message.message === 'pauseAction')
    deps.runner.pause(message.pauseAction.actionId, message.pauseAction.reason)
  if (message.message === 'reportAck')
    deps.outbox.acknowledge(message.reportAck.actionId, message.reportAck.state, message.reportAck.accepted)
}

async function heartbeats(deps: Deps, call: SessionCall, everyMs: number, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    call.write({ heartbeat: await deps.health() })
    await deps.clock.sleep(Math.max(250, everyMs || 10_000), stop)
  }
}
