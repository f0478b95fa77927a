import { status } from '@grpc/grpc-js'
import type {
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js'
import type { Clock } from '../model/clock.ts'
import type { Desk } from '../workflow/link.ts'
import { createCallers } from './callers.ts'
import type { CallersDeps } from './callers.ts'
import type { Connection, Connections } from './connections.ts'
import { getAction, reportCurrent } from './current-agent.ts'
import { actionsFor, contextFor, ownWorkflow, reportLegacy } from './legacy-worker.ts'
import { Refusal, refusalOf } from './refusal.ts'
import type { Malformed, WireActionRequest, WireCurrentReport, WireLegacyReport } from './tinkerbell-wire.ts'
import { createWorkerData } from './worker-data.ts'

export type TinkerbellDeps = CallersDeps & {
  engine: Pick<Desk, 'report' | 'workflow'>
  clock: Clock
  connections: Pick<Connections, 'of'>
  /** how long GetAction is held, ms */
  holdMs?: number
}

/** Shorter than what proxies, and those who look at idle connections, bear: 60 s is common. */
const defaultHoldMs = 50_000

/** The services of Tinkerbell's agents, as grpc-js takes their handlers. */
export type TinkerbellServices = {
  workflow: UntypedServiceImplementation
  oldest: UntypedServiceImplementation
  /** Lets go of the agents that wait. */
  drain(): void
}

type Request = { workerId: string; workflowId: string }

export function tinkerbellServices(deps: TinkerbellDeps): TinkerbellServices {
  const callers = createCallers(deps)
  const data = createWorkerData()
  const agents = {
    callers,
    engine: deps.engine,
    holdMs: deps.holdMs ?? defaultHoldMs,
    whyNone: deps.discovery?.whyNone,
  }
  const { unary, stream } = handlers(deps.connections)

  const report = unary(async (connection, told: WireCurrentReport | WireLegacyReport) => {
    try {
      if (told.generation === 'legacy') await reportLegacy(agents, connection, told)
      else await reportCurrent(agents, connection, told)
      return {}
    } catch (error) {
      throw lasting(error)
    }
  })
  const contexts = stream(async (connection, { workerId }: Request, signal) => {
    const context = await contextFor(agents, connection, workerId, signal)
    return context ? [context] : []
  })
  const actions = unary(async (connection, { workflowId }: Request) => ({
    actionList: actionsFor(agents, connection, workflowId, deps.clock.now()),
  }))
  const legacy = { GetWorkflowContexts: contexts, GetWorkflowActions: actions, ReportActionStatus: report }
  return {
    workflow: {
      ...legacy,
      GetAction: unary((connection, request: WireActionRequest, signal) =>
        getAction(agents, connection, request, signal),
      ),
    },
    oldest: {
      ...legacy,
      GetWorkflowData: unary(async (connection, { workflowId }: Request) => {
        ownWorkflow(agents, connection, workflowId)
        return data.get(workflowId)
      }),
      UpdateWorkflowData: unary(async (connection, request: Request & { data: Uint8Array }) => {
        ownWorkflow(agents, connection, request.workflowId)
        data.put(request.workflowId, request.data)
        return {}
      }),
    },
    drain: callers.drain,
  }
}

/** What an agent takes for the end of everything. */
const deadly: ReadonlySet<number> = new Set([
  status.NOT_FOUND,
  status.INVALID_ARGUMENT,
  status.FAILED_PRECONDITION,
])

/** A report that only the server's own state keeps from being taken is to be repeated. */
function lasting(error: unknown): Refusal {
  const refusal = refusalOf(error)
  if (error instanceof Refusal || !deadly.has(refusal.code)) return refusal
  return new Refusal(status.UNAVAILABLE, refusal.message)
}

type Handler<Message, Answer> = (
  connection: Connection,
  request: Message,
  signal: AbortSignal,
) => Promise<Answer>

function handlers(connections: Pick<Connections, 'of'>) {
  const run = async <Message, Answer>(
    call: ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>,
    handle: Handler<Message, Answer>,
  ): Promise<Answer> => {
    const connection = connections.of(call.getPeer())
    if (!connection) throw new Refusal(status.UNAVAILABLE, 'the connection is closed')
    const request = call.request as Message | Malformed
    if (typeof request === 'object' && request !== null && 'malformed' in request)
      throw new Refusal(status.INVALID_ARGUMENT, `malformed message: ${request.malformed}`)
    const gone = new AbortController()
    call.on('cancelled', () => gone.abort())
    if (call.cancelled) gone.abort()
    return handle(connection, request, gone.signal)
  }
  const failure = (error: unknown) => {
    const { code, message } = refusalOf(error)
    return { code, details: message }
  }
  return {
    unary:
      <Message, Answer>(handle: Handler<Message, Answer>) =>
      (call: ServerUnaryCall<unknown, Answer>, answer: sendUnaryData<Answer>) =>
        void run(call, handle).then(
          (value) => answer(null, value),
          (error: unknown) => answer(failure(error)),
        ),
    stream:
      <Message, Answer>(handle: Handler<Message, readonly Answer[]>) =>
      (call: ServerWritableStream<unknown, Answer>) =>
        void run(call, handle).then(
          (answers) => {
            for (const one of answers) call.write(one)
            call.end()
          },
          (error: unknown) => call.emit('error', failure(error)),
        ),
  }
}
