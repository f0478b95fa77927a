import { status } from '@grpc/grpc-js'
import type {
  Server,
  ServerDuplexStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import { protocols } from './tinkerbell-wire.ts'

/** Questions that one stream of reflection is answered: grpcurl and its like ask a few dozen. */
const mostQuestions = 1000

const services = Object.keys(protocols).filter((name) => name.endsWith('Service'))

/** What a server says of itself: reflection (v1, v1alpha) and health, for every service and the whole (empty name). */
export type About = {
  addTo(server: Server): void
  /** from now on it is not to be used any more */
  close(): void
}

export function createAbout(): About {
  const reflection = new ReflectionService(protocols)
  const names = ['', ...services]
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, 'SERVING'])))
  return {
    addTo: (server) => {
      reflection.addToServer({
        addService: (service: ServiceDefinition, implementation: UntypedServiceImplementation) =>
          server.addService(service, bounded(implementation)),
      })
      health.addToServer(server)
    },
    close: () => {
      for (const name of names) health.setStatus(name, 'NOT_SERVING')
    },
  }
}

type Handle = (call: ServerDuplexStream<unknown, unknown>) => void

/** The package answers without looking whether its answers are read. */
function bounded(implementation: UntypedServiceImplementation): UntypedServiceImplementation {
  const handle = implementation['ServerReflectionInfo'] as Handle
  const ServerReflectionInfo: Handle = (call) => {
    let questions = 0
    call.on('data', () => {
      if (++questions !== mostQuestions) return
      call.removeAllListeners('data')
      call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: `more than ${mostQuestions} questions` })
    })
    handle(call)
  }
  return { ServerReflectionInfo }
}
