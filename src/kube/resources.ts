import { randomBytes } from 'node:crypto'
import type { Clock } from '../model/clock.ts'
import { AppError, isCode } from '../model/error.ts'
import type { KindInfo, KindName } from '../model/kinds.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import { alreadyExists, notFound } from '../store/failure.ts'
import {
  createObject,
  deleteObject,
  modifyObject,
  newObject,
  patchObject,
  updateObject,
} from '../store/resource.ts'
import type { Key, Store } from '../store/store.ts'
import { warningsOf, withDefaults } from './admit.ts'
import type { KubeApp, Reply, Request } from './app.ts'
import { checkListVersion, listOptions, parameter } from './options.ts'
import type { Query } from './options.ts'
import { renderList, renderObject, representationOf } from './representation.ts'
import type { Representation } from './representation.ts'
import { checkObject, isJson, objectFrom } from './validate.ts'
import { serveWatch } from './watch.ts'

export type ResourceDeps = {
  store: Store
  clock: Pick<Clock, 'now'>
  newUid(): string
  /** ms between the bookmarks of a watch */
  bookmarkMs: number
  /** aborts when watches must end */
  shutdown: AbortSignal
}

type Place = { namespace: string; name: string }
type Handler = (request: Request, reply: Reply) => Promise<unknown>

/** Paths of one kind: everything comes from its entry in the kinds table. */
export function resourceRoutes(app: KubeApp, info: KindInfo, deps: ResourceDeps): void {
  const base = `/apis/${info.group}/${info.version}`
  const collection = `${base}/namespaces/:namespace/${info.plural}`
  const object = `${collection}/:name`
  const routes: Record<string, Partial<Record<string, Handler>>> = {
    [`${base}/${info.plural}`]: { GET: (request, reply) => read(deps, info, request, reply) },
    [collection]: {
      GET: (request, reply) => read(deps, info, request, reply),
      POST: (request, reply) => create(deps, info, request, reply),
    },
    [object]: {
      GET: (request) => get(deps, info, request),
      PUT: (request, reply) => replace(deps, info, request, reply),
      PATCH: (request) => patch(deps, info, request),
      DELETE: (request) => remove(deps, info, request),
    },
    [`${object}/status`]: {
      GET: (request) => get(deps, info, request),
      PUT: (request) => replaceStatus(deps, info, request),
      PATCH: (request) => patch(deps, info, request, 'status'),
    },
  }
  for (const [url, handlers] of Object.entries(routes)) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
      app.route({ method, url, config: { info }, handler: handlers[method] ?? notAllowed })
  }
}

async function notAllowed(): Promise<never> {
  throw new AppError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
}

const queryOf = (request: Request) => request.query as Query
const placeOf = (request: Request) => request.params as Place
const shapeOf = (request: Request): Representation =>
  representationOf(request.headers.accept, parameter(queryOf(request), 'includeObject'))
const keyOf = (info: KindInfo, { namespace, name }: Place): Key => ({
  kind: info.kind as KindName,
  namespace,
  name,
})

/** `dryRun=All` in the query, or in the options that a DELETE has as its body. */
function isDryRun(request: Request): boolean {
  const value = parameter(queryOf(request), 'dryRun')
  if (value !== undefined && value !== 'All')
    throw new AppError('BadRequest', `dryRun: Unsupported value: "${value}": supported values: "All"`)
  return value === 'All'
}

async function read(deps: ResourceDeps, info: KindInfo, request: Request, reply: Reply): Promise<unknown> {
  const { namespace } = request.params as Partial<Place>
  const options = listOptions(queryOf(request))
  const shape = shapeOf(request)
  if (options.watch) {
    const watching = { ...deps, now: () => deps.clock.now() }
    await serveWatch(watching, { info, namespace, options, shape }, () => reply.hijack().raw)
    return reply
  }
  const list = await deps.store.list(info.kind as KindName, namespace)
  checkListVersion(options, list.version)
  const items = list.items.filter(options.selects)
  return renderList(shape, info, { items, version: list.version }, deps.clock.now())
}

async function get(deps: ResourceDeps, info: KindInfo, request: Request): Promise<unknown> {
  const key = keyOf(info, placeOf(request))
  const object = await deps.store.get(key)
  if (!object) throw notFound(key)
  return renderObject(shapeOf(request), info, object, deps.clock.now())
}

async function create(deps: ResourceDeps, info: KindInfo, request: Request, reply: Reply): Promise<unknown> {
  requireJson(request)
  const shape = shapeOf(request)
  const { status: _, ...given } = objectFrom(request.body, info, placeOf(request).namespace)
  const dryRun = isDryRun(request)
  const stored = await named(given, async (object) => {
    checkObject(info, object)
    const admitted = withDefaults(object)
    return dryRun ? wouldCreate(deps, info, admitted) : createObject(deps.store, admitted, deps)
  })
  warn(reply, stored)
  void reply.code(201)
  return renderObject(shape, info, stored, deps.clock.now())
}

const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789'

/** Calls `make` with a name from `generateName` when there is no name; another one while that is taken. */
async function named(
  object: NewObject,
  make: (object: NewObject) => Promise<KubeObject>,
): Promise<KubeObject> {
  const { name, generateName } = object.metadata as { name?: unknown; generateName?: unknown }
  if (name || typeof generateName !== 'string' || generateName === '') return make(object)
  for (let attempt = 1; ; attempt++) {
    const suffix = Array.from(randomBytes(5), (byte) => suffixLetters[byte % suffixLetters.length]).join('')
    const metadata = { ...object.metadata, name: generateName.slice(0, 248) + suffix }
    try {
      return await make({ ...object, metadata })
    } catch (error) {
      if (attempt === 8 || !isCode(error, 'AlreadyExists')) throw error
    }
  }
}

async function wouldCreate(deps: ResourceDeps, info: KindInfo, object: NewObject): Promise<KubeObject> {
  const key = keyOf(info, object.metadata)
  if (await deps.store.get(key)) throw alreadyExists(key)
  return newObject(object, { uid: deps.newUid(), now: deps.clock.now() }) as KubeObject
}

async function replace(deps: ResourceDeps, info: KindInfo, request: Request, reply: Reply): Promise<unknown> {
  requireJson(request)
  const shape = shapeOf(request)
  const { object, expected } = replacement(info, request)
  const next = withDefaults(object)
  const dryRun = isDryRun(request)
  const check = (changed: KubeObject) => checkObject(info, changed)
  const stored = await updateObject(deps.store, next, expected, { check, dryRun })
  warn(reply, stored)
  return renderObject(shape, info, stored, deps.clock.now())
}

async function replaceStatus(deps: ResourceDeps, info: KindInfo, request: Request): Promise<unknown> {
  requireJson(request)
  const shape = shapeOf(request)
  const { object, expected } = replacement(info, request)
  const change = (current: KubeObject): KubeObject => ({ ...current, status: object.status })
  const stored = await modifyObject(deps.store, keyOf(info, placeOf(request)), change, {
    subresource: 'status',
    expected,
    check: (changed) => checkObject(info, changed),
    dryRun: isDryRun(request),
  })
  return renderObject(shape, info, stored, deps.clock.now())
}

/** The object of a PUT and the version it replaces, which a PUT must name. */
function replacement(info: KindInfo, request: Request): { object: KubeObject; expected: string } {
  const { namespace, name } = placeOf(request)
  const object = objectFrom(request.body, info, namespace, name)
  checkObject(info, { metadata: object.metadata })
  const expected = object.metadata.resourceVersion
  if (expected) return { object: object as KubeObject, expected }
  const message = 'Invalid value: 0x0: must be specified for an update'
  throw new AppError('Invalid', message, { faults: [{ path: 'metadata.resourceVersion', message }] })
}

async function patch(
  deps: ResourceDeps,
  info: KindInfo,
  request: Request,
  subresource?: 'status',
): Promise<unknown> {
  if (mediaType(request) !== 'application/merge-patch+json')
    throw new AppError(
      'UnsupportedMediaType',
      'the body of the request was in an unknown format - accepted media types include: application/merge-patch+json',
    )
  const shape = shapeOf(request)
  const stored = await patchObject(deps.store, keyOf(info, placeOf(request)), request.body, {
    check: (changed) => checkObject(info, changed),
    dryRun: isDryRun(request),
    ...(subresource ? { subresource } : {}),
  })
  return renderObject(shape, info, stored, deps.clock.now())
}

async function remove(deps: ResourceDeps, info: KindInfo, request: Request): Promise<unknown> {
  const key = keyOf(info, placeOf(request))
  const { preconditions, dryRun } = deleteOptions(request.body)
  if (dryRun || isDryRun(request)) {
    const object = await deps.store.get(key)
    if (!object) throw notFound(key)
    return deleted(info, object)
  }
  const { object, gone } = await deleteObject(deps.store, key, preconditions, deps)
  return gone ? deleted(info, object) : object
}

/** metav1.DeleteOptions; nothing collects dependents, so every propagationPolicy means the same. */
function deleteOptions(body: unknown): {
  preconditions: { uid?: string; resourceVersion?: string }
  dryRun: boolean
} {
  if (body === undefined || body === null) return { preconditions: {}, dryRun: false }
  if (!isJson(body)) throw new AppError('BadRequest', 'the body of a DELETE is not a DeleteOptions object')
  const given = isJson(body['preconditions']) ? body['preconditions'] : {}
  const { uid, resourceVersion } = given
  const dryRun = Array.isArray(body['dryRun']) && body['dryRun'].includes('All')
  return {
    dryRun,
    preconditions: {
      ...(typeof uid === 'string' ? { uid } : {}),
      ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    },
  }
}

function deleted(info: KindInfo, { metadata }: KubeObject): object {
  const details = { name: metadata.name, group: info.group, kind: info.plural, uid: metadata.uid }
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }
}

function mediaType(request: Request): string {
  return (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
}

function requireJson(request: Request): void {
  const type = mediaType(request)
  if (type === 'application/json') return
  throw new AppError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format (${type || 'none'}) - accepted media types include: application/json`,
  )
}

/** `Warning` headers (RFC 7234 §5.5), which kubectl prints. */
function warn(reply: Reply, object: KubeObject): void {
  const warnings = warningsOf(object).map((text) => `299 - "${text}"`)
  if (warnings.length > 0) void reply.header('warning', warnings)
}
