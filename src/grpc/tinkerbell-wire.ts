import { fileURLToPath } from 'node:url'
import { loadPackageDefinition } from '@grpc/grpc-js'
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { MessageTypeDefinition, PackageDefinition } from '@grpc/proto-loader'
import { messageOf } from '../model/error.ts'
import { generationOf } from './generation.ts'
import { agentProtoFile, protoOptions } from './proto.ts'

const shipped = (name: string) => fileURLToPath(new URL(`../../proto/tinkerbell/${name}`, import.meta.url))

/** Every protocol of agents, as reflection shows them. */
export const protocols: PackageDefinition = loadSync(
  [shipped('workflow.proto'), shipped('tink-0.6.proto'), agentProtoFile],
  protoOptions,
)

type Service = ServiceDefinition<UntypedServiceImplementation>
const roots = loadPackageDefinition(protocols) as unknown as {
  proto: { WorkflowService: { service: Service } }
  github: {
    com: { tinkerbell: { tink: { protos: { workflow: { WorkflowService: { service: Service } } } } } }
  }
}
const message = <Message>(name: string) =>
  protocols[name] as unknown as MessageTypeDefinition<unknown, Message>

/** Bytes that are no message of the kind that was expected. */
export type Malformed = { malformed: string }

export type WireAttributes = {
  cpu: { totalCores: number; totalThreads: number } | null
  memory: { total: string } | null
  block: unknown[]
  network: unknown[]
  bios: { vendor: string; version: string } | null
  product: { name: string; vendor: string; serialNumber: string } | null
}

export type WireActionRequest = { agentId: string; agentAttributes: WireAttributes | null }

export type WireActionResponse = {
  workflowId: string
  taskId: string
  agentId: string
  actionId: string
  name: string
  image: string
  /** seconds */
  timeout: number
  command: readonly string[]
  volumes: readonly string[]
  environment: readonly string[]
  pid: string
  namespaces?: { network: string; pid: string }
}

/** `actionState`: name of a StateType, or the number of one that is not known */
export type WireCurrentReport = {
  generation: 'current'
  workflowId: string
  agentId: string
  taskId: string
  actionId: string
  actionState: string | number
  message: { message: string } | null
}

/** `actionStatus`: name of a State, or the number of one that is not known */
export type WireLegacyReport = {
  generation: 'legacy'
  workflowId: string
  taskName: string
  actionName: string
  actionStatus: string | number
  message: string
  workerId: string
}

export type WireContext = {
  workflowId: string
  currentWorker: string
  currentTask: string
  currentAction: string
  currentActionIndex: number
  currentActionState: string
  totalNumberOfActions: number
}

export type WireLegacyAction = {
  taskName: string
  name: string
  image: string
  /** seconds */
  timeout: number
  command: readonly string[]
  workerId: string
  volumes: readonly string[]
  environment: readonly string[]
  pid: string
  onTimeout: readonly string[]
  onFailure: readonly string[]
}

/** Turns what cannot be read into a `Malformed`, so that the handler answers and not grpc-js, which would say INTERNAL. */
function gentle(service: Service, changes: Record<string, (bytes: Buffer) => unknown> = {}): Service {
  const methods = Object.entries(service).map(([name, method]) => {
    const read = changes[name] ?? method.requestDeserialize
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return read(bytes)
      } catch (error) {
        return { malformed: messageOf(error) } satisfies Malformed
      }
    }
    return [name, { ...method, requestDeserialize }]
  })
  return Object.fromEntries(methods) as Service
}

const current = message<Omit<WireCurrentReport, 'generation'>>('proto.ActionStatusRequest')
const legacy = message<Omit<WireLegacyReport, 'generation'>>('proto.WorkflowActionStatus')

/** @throws Error when the bytes are neither generation's report */
export function readReport(bytes: Buffer): WireCurrentReport | WireLegacyReport {
  const generation = generationOf(bytes)
  if (generation === 'legacy') return { generation, ...legacy.deserialize(bytes) }
  if (generation === 'current') return { generation, ...current.deserialize(bytes) }
  throw new Error('neither an ActionStatusRequest nor a WorkflowActionStatus')
}

/** `proto.WorkflowService`: tink-agent and tink-worker 0.9 to 0.12. */
export const workflowService = gentle(roots.proto.WorkflowService.service, { ReportActionStatus: readReport })

const oldest = roots.github.com.tinkerbell.tink.protos.workflow.WorkflowService.service

/** The service of tink-worker 0.6 to 0.8. */
export const oldestService = gentle(oldest, {
  ReportActionStatus: (bytes) => ({ generation: 'legacy', ...legacy.deserialize(bytes) }),
})
