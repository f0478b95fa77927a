import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** How an action ended. */
export type Ending = 'SUCCESS' | 'FAILED' | 'TIMEOUT'

export type Work = {
  workflowId: string
  name: string
  image: string
  /** seconds */
  timeout: number
  command: string[]
  volumes: string[]
  environment: string[]
  pid: string
}

/** The machine under a test agent, which watches what its agent does. */
export type Host = {
  /** passed before and after each message; may hold the agent up, for ever too */
  at(point: string): Promise<void>
  run(work: Work): Promise<Ending>
  /** the codes of failed calls */
  failed?(method: string, code: number): void
}

export type AgentOptions = {
  /** `host:port` */
  authority: string
  id: string
  host: Host
  signal: AbortSignal
  /** first pause after a failure, ms: 500 in the real one */
  backoffMs?: number
  credentials?: grpc.ChannelCredentials
}

/** Whether an action's time is over at once, as in Go: a context without time is done before anything has begun. */
export async function inTime(work: Work, host: Host): Promise<Ending> {
  return work.timeout <= 0 ? 'TIMEOUT' : host.run(work)
}

/** grpc-go's defaults, with reconnects that do not make tests wait. */
export function connect(file: string, service: string, options: AgentOptions): grpc.Client {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const root = loadSync(path, { longs: Number, enums: String, defaults: true, keepCase: true })
  const Client = grpc.makeGenericClientConstructor(root[service] as grpc.ServiceDefinition, service)
  return new Client(options.authority, options.credentials ?? grpc.credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 200,
    'grpc.use_local_subchannel_pool': 1,
  })
}

type Method = (
  request: object,
  answer: (error: grpc.ServiceError | null, value: unknown) => void,
) => grpc.ClientUnaryCall

/** One unary call; ends with CANCELLED when `signal` aborts. */
export function call<Answer>(
  client: grpc.Client,
  method: string,
  request: object,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const methods = client as unknown as Record<string, Method>
    const under = methods[method]!.call(client, request, (error, value) => {
      signal.removeEventListener('abort', cancel)
      if (error) reject(error)
      else resolve(value as Answer)
    })
    const cancel = () => under.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    if (signal.aborted) cancel()
  })
}

/** Exponential, ×1.5, ±50 %, at most ten times the first. */
export function createBackoff(firstMs: number, signal: AbortSignal) {
  let next = firstMs
  return {
    reset: () => (next = firstMs),
    wait: async () => {
      const ms = next * (0.5 + Math.random())
      next = Math.min(next * 1.5, firstMs * 10)
      await sleep(ms, undefined, { signal }).catch(() => undefined)
    },
  }
}

export const codeOf = (error: unknown) => (error as grpc.ServiceError).code ?? -1
