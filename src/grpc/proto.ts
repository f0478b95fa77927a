import { fileURLToPath } from 'node:url'
import { loadPackageDefinition } from '@grpc/grpc-js'
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { ActionReport, Hello, MachineFacts, RunAction } from '../model/agent-protocol.ts'
import { messageOf } from '../model/error.ts'

/** Beside `src` and `dist`. */
export const agentProtoFile = fileURLToPath(new URL('../../proto/ironwake/v1/agent.proto', import.meta.url))

/** Names in camel case, 64-bit numbers as numbers, enums by name, absent fields as their defaults. */
export const protoOptions = { longs: Number, enums: String, defaults: true, oneofs: true } as const

/** A Hello as decoded; an agent may leave its facts out. */
export type WireHello = Omit<Hello, 'facts'> & { facts: MachineFacts | null }
/** `state`: name of an ActionState, or the number of one that this version does not know */
export type WireReport = Omit<ActionReport, 'state'> & { state: string | number }

/** An AgentMessage as decoded; `malformed` is one that is no AgentMessage. */
export type WireAgentMessage =
  | { message: 'hello'; hello: WireHello }
  | { message: 'report'; report: WireReport }
  | { message: 'progress'; progress: { actionId: string; doneBytes: number; totalBytes: number } }
  | { message: 'logs'; logs: { actionId: string; lines: string[] } }
  | { message: 'heartbeat'; heartbeat: { uptimeMs: number; memoryAvailableBytes: number } }
  | { message: 'malformed'; why: string }
  | { message?: undefined }

export type WireServerMessage =
  | { welcome: { sessionKey: string; heartbeatMs: number } }
  | { runAction: RunAction }
  | { reportAck: { actionId: string; state: string; accepted: boolean } }
  | { drain: object }
  | { cancelAction: { actionId: string; reason: string } }
  | { pauseAction: { actionId: string; reason: string } }

/**
 * The service `ironwake.v1.AgentService` as grpc-js takes it. Bytes that are no AgentMessage become `malformed`, so
 * that the session says INVALID_ARGUMENT and grpc-js not INTERNAL.
 */
export function agentService(): ServiceDefinition<UntypedServiceImplementation> {
  const root = loadPackageDefinition(loadSync(agentProtoFile, protoOptions)) as unknown as {
    ironwake: { v1: { AgentService: { service: ServiceDefinition<UntypedServiceImplementation> } } }
  }
  const { Session } = root.ironwake.v1.AgentService.service
  const requestDeserialize = (bytes: Buffer): unknown => {
    try {
      return Session!.requestDeserialize(bytes)
    } catch (error) {
      return { message: 'malformed', why: messageOf(error) }
    }
  }
  return { Session: { ...Session!, requestDeserialize } }
}
