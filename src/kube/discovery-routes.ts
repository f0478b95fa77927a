import type { KubeApp, Reply, Request } from './app.ts'
import { AppError } from '../model/error.ts'
import { mediaRanges } from './accept.ts'
import {
  aggregatedDiscovery,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
  discoveryForm,
  discoveryType,
  groupVersions,
} from './discovery.ts'
import { documentOf, sendDocument } from './document.ts'
import type { Document } from './document.ts'
import { openApiDocument, openApiPath } from './openapi.ts'
import { swaggerMessage } from './swagger-message.ts'
import { swaggerDocument } from './swagger.ts'

/** Version of the Kubernetes API that this server's answers follow; clients compare it with their own. */
const kubernetes = { major: '1', minor: '33' }

/** Discovery, version and OpenAPI. */
export function discoveryRoutes(app: KubeApp, version: string): void {
  rootRoute(app, '/api', 'core', apiVersions)
  rootRoute(app, '/apis', 'named', apiGroupList())
  for (const wanted of groupVersions) {
    const resources = documentOf(found(apiResourceList(wanted)))
    const base = `/${openApiPath(wanted)}`
    app.get(base, async (request, reply) => sendDocument(request, reply, resources))
  }
  app.get('/apis/:group', async (request) => found(apiGroup((request.params as { group: string }).group)))
  app.get('/version', async () => versionInfo(version))
  openApiRoutes(app)
}

/** `/api` and `/apis`, each plain or aggregated: a client believes the aggregated form only where both have it. */
function rootRoute(app: KubeApp, url: string, which: 'core' | 'named', plain: object): void {
  const aggregated = (version: 'v2' | 'v2beta1') =>
    documentOf(aggregatedDiscovery(version, which), discoveryType(version))
  const documents = { plain: documentOf(plain), v2: aggregated('v2'), v2beta1: aggregated('v2beta1') }
  app.get(url, async (request, reply) =>
    sendDocument(request, reply, documents[discoveryForm(request.headers.accept)]),
  )
}

/** The protobuf form of OpenAPI v2: what clients ask for, and what Go's MIME parser takes for an answer. */
const protobuf = {
  asked: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  answered: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
}

function openApiRoutes(app: KubeApp): void {
  const documents = groupVersions.map((wanted) => ({
    path: openApiPath(wanted),
    document: documentOf(openApiDocument(wanted)!),
  }))
  const entries = documents.map(({ path, document: { hash } }) => [
    path,
    { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` },
  ])
  const index = documentOf({ paths: Object.fromEntries(entries) as object })
  app.get('/openapi/v3', async (request, reply) => sendDocument(request, reply, index))
  for (const { path, document } of documents)
    app.get(`/openapi/v3/${path}`, async (request, reply) => {
      const isFixed = (request.query as { hash?: unknown }).hash === document.hash
      return sendDocument(request, reply, document, isFixed)
    })
  const swagger = swaggerDocument()
  const json = documentOf(swagger)
  const message = documentOf(swaggerMessage(swagger), protobuf.answered)
  app.get('/openapi/v2', async (request, reply) => sendSwagger(request, reply, { json, message }))
}

function sendSwagger(request: Request, reply: Reply, known: { json: Document; message: Document }): Reply {
  const types = mediaRanges(request.headers.accept).map(({ type }) => type)
  const isMessage = types.find((type) => type === protobuf.asked || type === protobuf.answered)
  const isJson = types.find((type) => ['application/json', 'application/*', '*/*'].includes(type))
  if (!isMessage && !isJson)
    throw new AppError(
      'NotAcceptable',
      `only the following media types are accepted: application/json, ${protobuf.asked}`,
    )
  const first = types.indexOf(isMessage ?? '') < types.indexOf(isJson ?? '')
  return sendDocument(request, reply, isMessage && (first || !isJson) ? known.message : known.json)
}

function found<T>(value: T | undefined): T {
  if (value !== undefined) return value
  throw new AppError('NotFound', 'the server could not find the requested resource')
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
