import { isCode } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { Workflow } from '../model/workflow.ts'
import { modifyObject } from '../store/resource.ts'
import type { Store } from '../store/store.ts'
import type { Catalog } from './catalog.ts'

type Deps = { store: Store; catalog: Pick<Catalog, 'live'> }

/**
 * Switches `allowPXE` of every interface of the Workflow's Hardware. It stays on while another live Workflow of the
 * same Hardware has switched it on for itself.
 * @returns why it cannot be done; `undefined` when it is done
 * @throws AppError of the store
 */
export async function setNetboot(
  deps: Deps,
  workflow: Workflow,
  allowed: boolean,
): Promise<string | undefined> {
  const { namespace } = workflow.metadata
  const name = workflow.spec?.hardwareRef ?? ''
  if (name === '') return 'the Workflow has no hardwareRef'
  if (!allowed && isWanted(deps.catalog.live(), workflow)) return undefined
  try {
    await modifyObject(deps.store, { kind: 'Hardware', namespace, name }, (object) => {
      const hardware = object as Hardware
      const interfaces = (hardware.spec?.interfaces ?? []).map((nic) => ({
        ...nic,
        netboot: { ...nic.netboot, allowPXE: allowed },
      }))
      return { ...hardware, spec: { ...hardware.spec, interfaces } }
    })
    return undefined
  } catch (error) {
    if (isCode(error, 'NotFound')) return `Hardware ${namespace}/${name} not found`
    throw error
  }
}

function isWanted(live: Iterable<Workflow>, workflow: Workflow): boolean {
  for (const other of live) {
    if (other.metadata.uid === workflow.metadata.uid) continue
    if (other.metadata.namespace !== workflow.metadata.namespace) continue
    if (other.spec?.hardwareRef !== workflow.spec?.hardwareRef) continue
    const state = other.status?.state ?? ''
    const hasBegun = ['PREPARING', 'PENDING', 'RUNNING'].includes(state)
    if (hasBegun && other.spec?.bootOptions?.toggleAllowNetboot) return true
  }
  return false
}
