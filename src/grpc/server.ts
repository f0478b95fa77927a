import { createServer } from 'node:net'
import type { Server as TcpServer, Socket } from 'node:net'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import type { ServerOptions } from '@grpc/grpc-js'
import { AppError, messageOf } from '../model/error.ts'
import { createAbout } from './about.ts'
import type { CallersDeps } from './callers.ts'
import { createConnections } from './connections.ts'
import type { Connections } from './connections.ts'
import { agentService } from './proto.ts'
import { openSession } from './session.ts'
import type { AgentCall, Session, SessionDeps } from './session.ts'
import { oldestService, workflowService } from './tinkerbell-wire.ts'
import { tinkerbellServices } from './tinkerbell.ts'

export type GrpcDeps = SessionDeps & {
  /** how agents of Tinkerbell are taken in; `holdMs`: how long they are let wait for an action, 50 s when left out */
  tinkerbell: Pick<CallersDeps, 'admission' | 'roster' | 'ready' | 'discovery'> & { holdMs?: number }
  /** IPv4 to bind */
  address: string
  /** TCP port, 42113; 0 takes any free one */
  port: number
  /** whether connections without TLS are taken at all */
  plain: boolean
  /** certificates after the first in `certPem` are sent along */
  tls: { keyPem: string; certPem: string }
  /** how long agents may take to end their calls; 5 s when left out */
  drainMs?: number
  /** called once the port is bound */
  onListening?(port: number): void
}

/** First byte of a TLS record that opens a handshake (RFC 8446 §5.1). */
const tlsHandshake = 0x16
const firstByteWithinMs = 10_000
const defaultDrainMs = 5000
const lastWordsMs = 200

// A peer that answers no ping for 10 s, 10 s after the last word, is gone.
const options: ServerOptions = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_receive_message_length': 1024 * 1024,
  'grpc.max_concurrent_streams': 16,
  'grpc.enable_channelz': 0,
}

/**
 * The agents' port. TLS and plain connections share it; a connection says by its first byte which it is. AgentService
 * answers TLS only; Tinkerbell's agents, reflection and health are served on both. When `signal` aborts, agents are asked to come back later and have 5 s to end their calls.
 * @throws AppError Unavailable when the port cannot be bound
 */
export function grpcServer(deps: GrpcDeps): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    const sessions = new Set<Session>()
    const connections = createConnections(deps.clock, deps.log)
    const tinkerbell = tinkerbellServices({ ...deps, ...deps.tinkerbell, connections })
    const about = createAbout()
    const service = agentService()
    const secure = new Server(options)
    secure.addService(service, {
      Session: (call: AgentCall) => {
        const session = openSession(knowing(deps, connections, call), call)
        sessions.add(session)
        void session.ended.then(() => sessions.delete(session))
        if (signal.aborted) session.drain()
      },
    })
    const plain = new Server(options)
    const details = 'agents of ironwake connect with TLS'
    plain.addService(service, {
      Session: (call: AgentCall) => call.emit('error', { code: status.UNAUTHENTICATED, details }),
    })
    for (const server of [secure, plain]) {
      server.addService(workflowService, tinkerbell.workflow)
      server.addService(oldestService, tinkerbell.oldest)
      about.addTo(server)
    }
    const pair = { private_key: Buffer.from(deps.tls.keyPem), cert_chain: Buffer.from(deps.tls.certPem) }
    const toSecure = secure.createConnectionInjector(ServerCredentials.createSsl(null, [pair], false))
    const toPlain = plain.createConnectionInjector(ServerCredentials.createInsecure())

    const tcp = createServer({ noDelay: true }, (socket) => {
      connections.add(socket)
      sortByFirstByte(socket, (isTls) => {
        if (isTls) toSecure.injectConnection(socket)
        else if (deps.plain) toPlain.injectConnection(socket)
        else socket.destroy()
      })
    })
    await listen(tcp, deps)
    try {
      await untilEnd(tcp, signal)
    } finally {
      tcp.close()
      about.close()
      tinkerbell.drain()
      for (const session of sessions) session.drain()
      await withinMs(
        deps.drainMs ?? defaultDrainMs,
        Promise.all([shutDown(secure, [...sessions]), shutDown(plain, [])]),
      )
      // The last words of the calls may still be on their way through TLS.
      await withinMs(lastWordsMs, Promise.all(connections.all().map(closed)))
      secure.forceShutdown()
      plain.forceShutdown()
      for (const socket of connections.all()) socket.destroy()
    }
  }
}

/** The same, with the call's connection no longer a stranger's once it has shown who it is. */
function knowing(deps: GrpcDeps, connections: Connections, call: AgentCall): SessionDeps {
  const authenticate: GrpcDeps['authenticate'] = async (credentials) => {
    const result = await deps.authenticate(credentials)
    if (!('rejected' in result)) connections.of(call.getPeer())?.know()
    return result
  }
  return { ...deps, authenticate }
}

/** Looks at the first byte and gives it back to the stream. */
function sortByFirstByte(socket: Socket, hand: (isTls: boolean) => void): void {
  const late = () => socket.destroy()
  socket.setTimeout(firstByteWithinMs, late)
  const look = () => {
    const first = socket.read(1) as Buffer | null
    if (first === null) {
      // Readable without data is the end of the stream.
      if (socket.readableEnded) return void socket.destroy()
      return void socket.once('readable', look)
    }
    socket.off('timeout', late)
    socket.setTimeout(0)
    socket.unshift(first)
    hand(first[0] === tlsHandshake)
  }
  socket.once('readable', look)
  socket.once('end', () => socket.destroy())
}

async function listen(tcp: TcpServer, deps: GrpcDeps): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    tcp.once('error', (cause) => {
      const message = `cannot listen on TCP ${deps.address}:${deps.port} for agents: ${messageOf(cause)}`
      reject(new AppError('Unavailable', message, { cause }))
    })
    tcp.listen(deps.port, deps.address, () => resolve())
  })
  tcp.removeAllListeners('error')
  const bound = tcp.address()
  const port = typeof bound === 'object' && bound ? bound.port : deps.port
  deps.log.info({ address: deps.address, port, plain: deps.plain }, 'waiting for agents')
  deps.onListening?.(port)
}

/** Ends when `signal` aborts; a listener that fails ends it with its error. */
function untilEnd(tcp: TcpServer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
    tcp.once('error', reject)
  })
}

async function shutDown(server: Server, sessions: readonly Session[]): Promise<void> {
  await Promise.all(sessions.map(({ ended }) => ended))
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) return resolve()
    socket.once('close', () => resolve())
  })

/** Resolves with `work`, or after `ms`. */
function withinMs(ms: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    void work
      .catch(() => undefined)
      .then(() => {
        clearTimeout(timer)
        resolve()
      })
  })
}
