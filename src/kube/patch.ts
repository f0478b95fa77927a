import { AppError, isCode } from '../model/error.ts'
import { basePathOf } from '../model/kinds.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import { conflict, notFound } from '../store/failure.ts'
import { isJsonObject, maxDepth, nestsDeeperThan } from '../store/json.ts'
import { checkIdentity, mergePatch, modifyObject } from '../store/resource.ts'
import type { Key } from '../store/store.ts'
import { withDefaults, warningsOf } from './admit.ts'
import type { Reply, Request } from './app.ts'
import { createChecked, withoutStatus } from './create.ts'
import { duplicateFields } from './duplicates.ts'
import { jsonPatch } from './json-patch.ts'
import { applied, withList } from './managed.ts'
import { modification } from './replace.ts'
import type { Subresource } from './replace.ts'
import { renderObject } from './representation.ts'
import { keyFor, mediaType, placeOf, shapeOf, unknownFormat, warn, writeOptions } from './request.ts'
import type { WriteOptions } from './request.ts'
import type { ResourceDeps } from './resources.ts'
import { strategicPatch } from './strategic.ts'
import { fieldFaults, refuseFaults, unknownFields } from './strict.ts'
import { objectFrom } from './validate.ts'

const jsonType = 'application/json-patch+json'
const mergeType = 'application/merge-patch+json'
const applyType = 'application/apply-patch+yaml'
/** kubectl patches the kinds that every cluster has this way, whatever the server says that it takes. */
const strategicType = 'application/strategic-merge-patch+json'

const typesFor = ({ group }: KindInfo): string[] =>
  group === '' ? [jsonType, mergeType, applyType, strategicType] : [jsonType, mergeType, applyType]

/** PATCH on an object or its status, of each type that is known. */
export async function patch(
  deps: ResourceDeps,
  info: KindInfo,
  request: Request,
  reply: Reply,
  subresource: Subresource = '',
): Promise<unknown> {
  const type = mediaType(request)
  if (!typesFor(info).includes(type)) throw unknownFormat(typesFor(info))
  const shape = shapeOf(request)
  const operation = type === applyType ? 'Apply' : 'Update'
  const options = writeOptions(request, info, deps.clock, { operation, subresource })
  const task: Task = { deps, info, request, options, subresource, key: keyFor(info, placeOf(request)) }
  const merge = type === strategicType ? strategicPatch : mergePatch
  const change = type === jsonType ? jsonChange(request.body) : mergeChange(request.body, merge)
  const result = type === applyType ? await applyTo(task) : await changeBy(task, change)
  const warnings = subresource === '' ? warningsOf(result.object) : []
  warn(reply, [...result.faults, ...warnings])
  void reply.code(result.isNew ? 201 : 200)
  return renderObject(shape, info, result.object, deps.clock.now())
}

type Task = {
  deps: ResourceDeps
  info: KindInfo
  request: Request
  options: WriteOptions
  subresource: Subresource
  key: Key
}
type Result = { object: KubeObject; isNew?: boolean; faults: readonly string[] }

const jsonChange = (body: unknown) => (current: KubeObject) => jsonPatch(current, body)

type Merge = (target: unknown, patch: unknown) => unknown

function mergeChange(body: unknown, merge: Merge): (current: KubeObject) => unknown {
  return (current) => {
    if (!isJsonObject(body)) throw new AppError('BadRequest', 'a merge patch must be a JSON object')
    if (nestsDeeperThan(body, maxDepth))
      throw new AppError('Invalid', `the patch is nested deeper than ${maxDepth} levels`)
    return merge(current, body)
  }
}

async function changeBy(task: Task, change: (current: KubeObject) => unknown): Promise<Result> {
  const { deps, info, request, options, subresource, key } = task
  const { validation } = options
  const text = validation === 'Ignore' ? undefined : request.bodyText
  const twice = text === undefined ? [] : duplicateFields(text).map((path) => `duplicate field "${path}"`)
  let faults: string[] = []
  const object = await modifyObject(
    deps.store,
    key,
    (current) => {
      const next = checkIdentity(key, current, change(current))
      const known = unknownFields(info, current)
      faults = validation === 'Ignore' ? [] : [...twice, ...fieldFaults(info, next, undefined, known)]
      refuseFaults(info, validation, faults, 'patch')
      return withDefaults(next)
    },
    modification(deps, info, options, subresource),
  )
  return { object, faults }
}

/** Times that applying is begun again because the object came or went meanwhile. */
const maxAttempts = 5

async function applyTo(task: Task): Promise<Result> {
  const { deps, info, request, options, subresource, key } = task
  const config = configOf(info, request, key)
  const faults = options.validation === 'Ignore' ? [] : fieldFaults(info, config, request.bodyText)
  refuseFaults(info, options.validation, faults, 'body')
  for (let attempt = 1; ; attempt++) {
    try {
      if (await deps.store.get(key)) return { object: await applyToStored(task, config), faults }
      if (subresource !== '') throw notFound(key)
      return { object: await applyToNothing(task, config), isNew: true, faults }
    } catch (error) {
      const raced = isCode(error, 'AlreadyExists') || (isCode(error, 'NotFound') && subresource === '')
      if (!raced || options.dryRun || attempt === maxAttempts) throw error
    }
  }
}

/** What is applied: an object of its kind, without what only the server sets. */
function configOf(info: KindInfo, request: Request, key: Key): NewObject {
  const { body } = request
  if (isJsonObject(body) && (typeof body['kind'] !== 'string' || typeof body['apiVersion'] !== 'string'))
    throw new AppError(
      'BadRequest',
      `an applied object needs its kind and apiVersion, as in ${basePathOf(info)}`,
    )
  const config = objectFrom(body, info, key.namespace, key.name)
  const { managedFields } = config.metadata
  if (managedFields !== undefined && managedFields.length > 0)
    throw new AppError('BadRequest', 'metadata.managedFields must be nil')
  return withDefaultsOf(config)
}

/** Only what the client wrote in another form: defaults are nobody's. */
const withDefaultsOf = (config: NewObject) => (config.kind === 'Secret' ? withDefaults(config) : config)

async function applyToStored(task: Task, config: NewObject): Promise<KubeObject> {
  const { deps, info, options, subresource, key } = task
  const { uid, resourceVersion } = config.metadata
  const change = (current: KubeObject) => {
    if (uid && uid !== current.metadata.uid) throw conflict(key, `uid mismatch: the object has another uid`)
    if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) throw conflict(key)
    const next = applied(current, config, options.writer, options.force) as KubeObject
    managed = next.metadata.managedFields
    return subresource === '' ? withDefaults(next) : next
  }
  let managed: unknown[] | undefined
  return modifyObject(deps.store, key, change, {
    ...modification(deps, info, options, subresource),
    finish: (next) => withList(next, managed),
  })
}

async function applyToNothing({ deps, info, options, key }: Task, config: NewObject): Promise<KubeObject> {
  const { uid } = config.metadata
  if (uid)
    throw conflict(
      key,
      `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
    )
  const { resourceVersion: _, ...metadata } = config.metadata
  const object = withoutStatus(info, { ...config, metadata })
  return createChecked(
    deps,
    info,
    withDefaults(applied(undefined, object, options.writer, options.force)),
    options,
  )
}
