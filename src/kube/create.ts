import { randomBytes } from 'node:crypto'
import { isCode } from '../model/error.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import { alreadyExists } from '../store/failure.ts'
import { createObject, newObject } from '../store/resource.ts'
import { admit, warningsOf, withDefaults } from './admit.ts'
import type { Reply, Request } from './app.ts'
import { withManagers } from './managed.ts'
import { enterNamespace } from './namespaces.ts'
import { renderObject } from './representation.ts'
import { keyFor, placeOf, requireObject, shapeOf, warn, writeOptions } from './request.ts'
import type { WriteOptions } from './request.ts'
import type { ResourceDeps } from './resources.ts'
import { fieldFaults, refuseFaults } from './strict.ts'
import { checkObject, objectFrom } from './validate.ts'

/** POST on a collection. */
export async function create(
  deps: ResourceDeps,
  info: KindInfo,
  request: Request,
  reply: Reply,
): Promise<unknown> {
  requireObject(request)
  const shape = shapeOf(request)
  const options = writeOptions(request, info, deps.clock, { operation: 'Update', subresource: '' })
  const given = objectFrom(request.body, info, placeOf(request).namespace)
  const faults = options.validation === 'Ignore' ? [] : fieldFaults(info, given, request.bodyText)
  refuseFaults(info, options.validation, faults, 'body')
  const object = withoutStatus(info, given)
  const own = (one: NewObject) => withManagers(undefined, one, options.writer)
  const stored = await named(object, (one) => createChecked(deps, info, withDefaults(one), options, own))
  warn(reply, [...faults, ...warningsOf(stored)])
  void reply.code(201)
  return renderObject(shape, info, stored, deps.clock.now())
}

/** The status of a new object is its controller's to write. */
export function withoutStatus(info: KindInfo, object: NewObject): NewObject {
  if (!info.hasStatus) return object
  const { status: _, ...rest } = object
  return rest
}

/**
 * Checks a whole new object and stores it, unless it is only to be tried.
 * @param own notes who owns its fields
 */
export async function createChecked(
  deps: ResourceDeps,
  info: KindInfo,
  given: NewObject,
  { dryRun }: Pick<WriteOptions, 'dryRun'>,
  own: (object: NewObject) => NewObject = (object) => object,
): Promise<KubeObject> {
  checkObject(info, given)
  await admit(deps, given, undefined)
  await enterNamespace(deps, info, given.metadata, dryRun)
  const object = own(given)
  if (!dryRun) return createObject(deps.store, object, deps)
  const key = keyFor(info, object.metadata)
  if (await deps.store.get(key)) throw alreadyExists(key)
  return newObject(object, { uid: deps.newUid(), now: deps.clock.now() }) as KubeObject
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
