import type { BmcMachine } from '../model/bmc-machine.ts'
import type { Hardware } from '../model/hardware.ts'
import type { Secret } from '../model/secret.ts'
import type { Store } from '../store/store.ts'
import { secretNameOf } from './bmc-resources.ts'
import { machineNameOf, secretPlaceOf } from './plan.ts'
import type { Stored } from './plan.ts'
import type { Row } from './row.ts'

/** What is stored of a row's machine, its BMC only when the row has one. */
export async function storedOf(
  store: Pick<Store, 'get'>,
  row: Row,
  hardware: Hardware | undefined,
): Promise<Stored> {
  if (!row.bmc) return { hardware }
  const { namespace } = row
  const own = { namespace, name: secretNameOf(row) }
  const machineKey = { kind: 'Machine', namespace, name: machineNameOf(row, hardware) } as const
  const machine = (await store.get(machineKey)) as BmcMachine | undefined
  const place = secretPlaceOf(row, machine)
  const ownSecret = (await store.get({ kind: 'Secret', ...own })) as Secret | undefined
  const isOwn = place.namespace === own.namespace && place.name === own.name
  const secret = isOwn ? ownSecret : ((await store.get({ kind: 'Secret', ...place })) as Secret | undefined)
  return { hardware, machine, secret, ownSecret }
}
