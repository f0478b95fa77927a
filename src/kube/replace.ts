import { AppError } from '../model/error.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'
import { modifyObject } from '../store/resource.ts'
import type { ModifyOptions } from '../store/resource.ts'
import { admit, warningsOf, withDefaults } from './admit.ts'
import type { Reply, Request } from './app.ts'
import { withManagers } from './managed.ts'
import { renderObject } from './representation.ts'
import { keyFor, placeOf, requireObject, shapeOf, warn, writeOptions } from './request.ts'
import type { WriteOptions } from './request.ts'
import type { ResourceDeps } from './resources.ts'
import { fieldFaults, refuseFaults } from './strict.ts'
import { checkObject, objectFrom } from './validate.ts'

export type Subresource = '' | 'status'

/** PUT on an object or its status. */
export async function replace(
  deps: ResourceDeps,
  info: KindInfo,
  request: Request,
  reply: Reply,
  subresource: Subresource = '',
): Promise<unknown> {
  requireObject(request)
  const shape = shapeOf(request)
  const options = writeOptions(request, info, deps.clock, { operation: 'Update', subresource })
  const { object, expected } = replacement(info, request)
  const faults = options.validation === 'Ignore' ? [] : fieldFaults(info, object, request.bodyText)
  refuseFaults(info, options.validation, faults, 'body')
  const next = withDefaults(object)
  const change = (current: KubeObject) =>
    subresource === 'status' ? { ...current, status: object.status } : next
  const stored = await modifyObject(deps.store, keyFor(info, placeOf(request)), change, {
    ...modification(deps, info, options, subresource),
    expected,
  })
  warn(reply, [...faults, ...(subresource === '' ? warningsOf(stored) : [])])
  return renderObject(shape, info, stored, deps.clock.now())
}

/** How every change of an object is checked and recorded. */
export function modification(
  deps: ResourceDeps,
  info: KindInfo,
  { dryRun, writer }: WriteOptions,
  subresource: Subresource,
): ModifyOptions {
  return {
    ...(subresource === '' ? {} : { subresource }),
    dryRun,
    check: async (next, stored) => {
      checkObject(info, next, stored)
      if (subresource === '') await admit(deps, next, stored)
    },
    finish: (next, stored) => withManagers(stored, next, writer),
  }
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
