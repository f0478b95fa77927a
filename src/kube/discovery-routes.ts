import type { KubeApp } from './app.ts'
import { AppError } from '../model/error.ts'
import { apiGroup, apiGroupList, apiResourceList, apiVersions, coreResources } from './discovery.ts'
import { openApiDocument, openApiIndex } from './openapi.ts'

/** Version of the Kubernetes API that this server's answers follow; clients compare it with their own. */
const kubernetes = { major: '1', minor: '33' }

/** Discovery, version, OpenAPI, and the namespaces that all exist without being made. */
export function discoveryRoutes(app: KubeApp, version: string): void {
  app.get('/api', async () => apiVersions)
  app.get('/api/v1', async () => coreResources)
  app.get('/api/v1/namespaces/:name', async (request) =>
    namespaceOf((request.params as { name: string }).name),
  )
  app.get('/apis', async () => apiGroupList())
  app.get('/apis/:group', async (request) => found(apiGroup((request.params as { group: string }).group)))
  app.get('/apis/:group/:version', async (request) => {
    const { group, version: wanted } = request.params as { group: string; version: string }
    return found(apiResourceList(group, wanted))
  })
  app.get('/version', async () => versionInfo(version))
  app.get('/openapi/v2', async (request, reply) => {
    if (!(request.headers.accept ?? '').includes('com.github.proto-openapi.spec.v2'))
      return { swagger: '2.0', info: { title: 'ironwake', version: 'v1' }, paths: {}, definitions: {} }
    // A message without bytes is a valid, empty document; kubectl up to 1.28 wants no more than that it is there.
    return reply
      .header('content-type', 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf')
      .send(Buffer.alloc(0))
  })
  app.get('/openapi/v3', async () => openApiIndex())
  app.get('/openapi/v3/apis/:group/:version', async (request) => {
    const { group, version: wanted } = request.params as { group: string; version: string }
    return found(openApiDocument(group, wanted))
  })
}

function found(value: object | undefined): object {
  if (value) return value
  throw new AppError('NotFound', 'the server could not find the requested resource')
}

function namespaceOf(name: string): object {
  const metadata = { name, labels: { 'kubernetes.io/metadata.name': name } }
  return { kind: 'Namespace', apiVersion: 'v1', metadata, spec: {}, status: { phase: 'Active' } }
}

function versionInfo(version: string): object {
  const { major, minor } = kubernetes
  return {
    major,
    minor,
    gitVersion: `v${major}.${minor}.0+ironwake.${version}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: '',
    platform: `${process.platform}/${process.arch}`,
  }
}
