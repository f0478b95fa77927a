import { AppError } from '../model/error.ts'
import type { Fault } from '../model/error.ts'
import { kinds } from '../model/kinds.ts'
import type { Namespace } from '../model/namespace.ts'
import { modifyObject } from '../store/resource.ts'
import type { Request } from './app.ts'
import { withManagers } from './managed.ts'
import { renderObject } from './representation.ts'
import { keyFor, placeOf, requireObject, shapeOf, writeOptions } from './request.ts'
import type { ResourceDeps } from './resources.ts'
import { isLabelKey } from './selector.ts'
import { checkObject, objectFrom } from './validate.ts'

const info = kinds.Namespace

/**
 * PUT …/namespaces/{name}/finalize: who must agree before a Namespace is gone is what the body says in
 * `spec.finalizers`; nothing else changes. A Namespace that is being deleted and that nobody holds any more is gone.
 * Unlike another PUT it may leave out the version that it replaces, as Kubernetes has it.
 */
export async function finalize(deps: ResourceDeps, request: Request): Promise<unknown> {
  requireObject(request)
  const shape = shapeOf(request)
  const { dryRun, writer } = writeOptions(request, info, deps.clock, {
    operation: 'Update',
    subresource: 'finalize',
  })
  const { name } = placeOf(request)
  const given = objectFrom(request.body, info, '', name) as Namespace
  checkObject(info, given)
  const finalizers = given.spec?.finalizers ?? []
  refuse(faultsOf(finalizers))
  const { uid, resourceVersion } = given.metadata
  const stored = await modifyObject(
    deps.store,
    keyFor(info, { namespace: '', name }),
    (current) => ({ ...current, metadata: { ...current.metadata, ...(uid ? { uid } : {}) } }),
    {
      dryRun,
      ...(resourceVersion ? { expected: resourceVersion } : {}),
      finish: (_next, before) =>
        withManagers(before, { ...before, spec: finalizers.length > 0 ? { finalizers } : {} }, writer),
    },
  )
  return renderObject(shape, info, stored, deps.clock.now())
}

function faultsOf(finalizers: readonly string[]): Fault[] {
  return finalizers.flatMap((name, at): Fault[] => {
    const isKnown = name === 'kubernetes' || (name.includes('/') && isLabelKey(name))
    const message = `Invalid value: ${JSON.stringify(name.slice(0, 100))}: name is neither a standard finalizer name nor is it fully qualified`
    return isKnown ? [] : [{ path: `spec.finalizers[${at}]`, message }]
  })
}

function refuse(faults: readonly Fault[]): void {
  if (faults.length > 0)
    throw new AppError('Invalid', 'Namespace is invalid', { faults: faults.slice(0, 100) })
}
