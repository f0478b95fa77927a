import type { Hardware } from '../model/hardware.ts'
import type { KubeObject, NewObject } from '../model/object.ts'

/**
 * The object with the defaults that clients rely on. Cluster API Provider Tinkerbell passes
 * `metadata.instance.id` of a Hardware to its Workflow as the machine's id and needs it to be there: it is the MAC.
 */
export function withDefaults<T extends NewObject | KubeObject>(object: T): T {
  if (object.kind !== 'Hardware') return object
  const { spec } = object as unknown as Hardware
  const mac = spec?.interfaces?.[0]?.dhcp?.mac
  if (!mac || spec.metadata?.instance?.id) return object
  const instance = { ...spec.metadata?.instance, id: mac }
  return { ...object, spec: { ...spec, metadata: { ...spec.metadata, instance } } }
}

/** What a person should know about an object that is stored as it is. */
export function warningsOf(object: NewObject | KubeObject): string[] {
  if (object.kind !== 'Hardware') return []
  const { spec } = object as Hardware
  const nic = spec?.interfaces?.[0]
  const warnings: string[] = []
  if (!nic?.dhcp?.mac) warnings.push('spec.interfaces[0].dhcp.mac is empty: the machine cannot be recognised')
  else if (!nic.dhcp.ip?.address)
    warnings.push('spec.interfaces[0].dhcp.ip.address is empty: no address to give')
  if (!spec?.disks?.length) warnings.push('spec.disks is empty: there is no disk to install to')
  return warnings
}
