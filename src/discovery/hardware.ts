import { attributesAnnotation, mostAttributeBytes } from '../model/agent-attributes.ts'
import type { AgentAttributes } from '../model/agent-attributes.ts'
import type { Hardware, HardwareSpec } from '../model/hardware.ts'
import type { Mac } from '../model/mac.ts'
import type { NewObject } from '../model/object.ts'
import { machineMac, nameFor } from './names.ts'

export const discoveredLabel = 'tinkerbell.org/auto-discovered'
/** Address that an agent without credentials called from when its machine was discovered. */
export const discoveredFromAnnotation = 'ironwake.dev/discovered-from'

export type Found = {
  agentId: string
  attributes: AgentAttributes
  namespace: string
  enrollmentEnabled: boolean
  /** MAC that it booted from, when that is known */
  mac?: Mac | undefined
  /** address of an agent without credentials */
  from?: string
}

const mostInterfaces = 32
const plainDisk = /^[A-Za-z0-9][A-Za-z0-9!/_-]{0,31}$/

/** The MACs that a found machine says it has: the one it booted from first. */
export function macsOf({ mac, agentId, attributes }: Pick<Found, 'mac' | 'agentId' | 'attributes'>): Mac[] {
  const named = (attributes.networkInterfaces ?? []).map((nic) => machineMac(nic.mac))
  const all = [mac, machineMac(agentId), ...named].filter((known) => known !== undefined)
  return [...new Set(all)].slice(0, mostInterfaces)
}

/**
 * The Hardware of a machine that nobody had entered: what it is, and nothing of how it boots or what address it has.
 * `namespace`, labels and annotations are Tinkerbell's.
 */
export function discoveredHardware(found: Found): NewObject<HardwareSpec> {
  const { agentId, attributes, namespace, enrollmentEnabled, from } = found
  const text = attributesText(attributes)
  const annotations = {
    ...(text !== undefined && { [attributesAnnotation]: text }),
    ...(from !== undefined && { [discoveredFromAnnotation]: from }),
  }
  const names = (attributes.blockDevices ?? []).flatMap(({ name = '', size }) =>
    size && plainDisk.test(name) ? [name] : [],
  )
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    metadata: {
      namespace,
      name: nameFor('discovery-', agentId),
      labels: { [discoveredLabel]: 'true' },
      ...(Object.keys(annotations).length > 0 && { annotations }),
    },
    spec: {
      agentID: agentId,
      auto: { enrollmentEnabled },
      ...(names.length > 0 && { disks: names.map((name) => ({ device: `/dev/${name}` })) }),
      interfaces: macsOf(found).map((mac) => ({ dhcp: { mac } })),
    },
  }
}

/** The attributes as they are annotated: `undefined` when there are none, or more than 64 KiB of them. */
export function attributesText(attributes: AgentAttributes): string | undefined {
  const text = JSON.stringify(attributes)
  return text === '{}' || bytesOf(text) > mostAttributeBytes ? undefined : text
}

/** Of text in UTF-8. */
export const bytesOf = (text: string): number => new TextEncoder().encode(text).length

export const isDiscovered = (hardware: Hardware | undefined): boolean =>
  hardware?.metadata.labels?.[discoveredLabel] === 'true'
