import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { AgentMessage, ServerMessage } from '../model/agent-protocol.ts'

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
