import { fileURLToPath } from 'node:url'
import { loadPackageDefinition } from '@grpc/grpc-js'
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { messageOf } from '../model/error.ts'

/** Beside `src` and `dist`. */
export const agentProtoFile = fileURLToPath(new URL('../../proto/ironwake/v1/agent.proto', import.meta.url))

/** Names in camel case, 64-bit numbers as numbers, enums by name, absent fields as their defaults. */
export const protoOptions = { longs: Number, enums: String, defaults: true, oneofs: true } as const

export type WireDisk = {
  device: string
  bytes: number
  model: string
  serial: string
  wwn: string
  rotational: boolean
}
export type WireNic = { name: string; mac: string; driver: string; carrier: boolean }
export type WireFacts = {
  arch: string
  kernel: string
  firmware: string
  memoryBytes: number
  cpus: number
  vendor: string
  product: string
  serial: string
  disks: WireDisk[]
  nics: WireNic[]
}
export type WireHello = {
  protocol: number
  agentId: string
  bootId: string
  token: string
  sessionKey: string
  version: string
  facts: WireFacts | null
  actionId: string
}
export type WireReport = {
  workflowId: string
  taskId: string
  actionId: string
  /** name of an ActionState, or the number of one that this version does not know */
  state: string | number
  message: string
  attempt: number
}

/** An AgentMessage as decoded; `malformed` is one that is no AgentMessage. */
export type WireAgentMessage =
  | { message: 'hello'; hello: WireHello }
  | { message: 'report'; report: WireReport }
  | { message: 'progress'; progress: { actionId: string; doneBytes: number; totalBytes: number } }
  | { message: 'logs'; logs: { actionId: string; lines: string[] } }
  | { message: 'heartbeat'; heartbeat: { uptimeMs: number; memoryAvailableBytes: number } }
  | { message: 'malformed'; why: string }
  | { message?: undefined }

export type WireRunAction = {
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
  timeoutMs: number
  attempt: number
}

export type WireServerMessage =
  | { welcome: { sessionKey: string; heartbeatMs: number } }
  | { runAction: WireRunAction }
  | { reportAck: { actionId: string; state: string; accepted: boolean } }
  | { drain: object }
  | { cancelAction: { actionId: string; reason: string } }

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
