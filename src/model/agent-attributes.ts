/**
 * What an agent says of its machine, in the JSON names of Tinkerbell's agent, so that rules for one hold for the other.
 * Sizes are for people: whole units, rounded up, of powers of 1024 (`32GB`). `driver` and `link` of an interface, and
 * `tpm`, are of ironwake's own agent only.
 */
export type AgentAttributes = {
  cpu?: { totalCores?: number; totalThreads?: number; processors?: Processor[] }
  memory?: { total?: string; usable?: string }
  blockDevices?: BlockDevice[]
  networkInterfaces?: NetworkInterface[]
  pciDevices?: PciDevice[]
  gpuDevices?: PciDevice[]
  chassis?: { serial?: string; vendor?: string }
  bios?: { vendor?: string; version?: string; releaseDate?: string }
  baseboard?: { vendor?: string; product?: string; version?: string; serialNumber?: string }
  product?: { name?: string; vendor?: string; serialNumber?: string }
  tpm?: { present?: boolean; version?: string }
}

export type Processor = {
  id?: number
  cores?: number
  threads?: number
  vendor?: string
  model?: string
  capabilities?: string[]
}

export type BlockDevice = {
  name?: string
  controllerType?: string
  driveType?: string
  size?: string
  physicalBlockSize?: string
  vendor?: string
  model?: string
  wwn?: string
  serialNumber?: string
}

export type NetworkInterface = {
  name?: string
  mac?: string
  speed?: string
  enabledCapabilities?: string[]
  driver?: string
  link?: boolean
}

export type PciDevice = { vendor?: string; product?: string; class?: string; driver?: string }

/** Annotation of a Hardware that holds them as JSON. */
export const attributesAnnotation = 'tinkerbell.org/agent-attributes'

/** UTF-8 bytes of that JSON. What is longer is not stored. */
export const mostAttributeBytes = 64 * 1024

type Shape = 'text' | 'count' | 'flag' | { list: Shape; most: number } | { [name: string]: Shape }

const longestText = 128
const texts = { list: 'text', most: 512 } as const
const pci = { vendor: 'text', product: 'text', class: 'text', driver: 'text' } as const

const shape = {
  cpu: {
    totalCores: 'count',
    totalThreads: 'count',
    processors: {
      list: {
        id: 'count',
        cores: 'count',
        threads: 'count',
        vendor: 'text',
        model: 'text',
        capabilities: texts,
      },
      most: 64,
    },
  },
  memory: { total: 'text', usable: 'text' },
  blockDevices: {
    list: {
      name: 'text',
      controllerType: 'text',
      driveType: 'text',
      size: 'text',
      physicalBlockSize: 'text',
      vendor: 'text',
      model: 'text',
      wwn: 'text',
      serialNumber: 'text',
    },
    most: 128,
  },
  networkInterfaces: {
    list: {
      name: 'text',
      mac: 'text',
      speed: 'text',
      enabledCapabilities: texts,
      driver: 'text',
      link: 'flag',
    },
    most: 64,
  },
  pciDevices: { list: pci, most: 512 },
  gpuDevices: { list: pci, most: 64 },
  chassis: { serial: 'text', vendor: 'text' },
  bios: { vendor: 'text', version: 'text', releaseDate: 'text' },
  baseboard: { vendor: 'text', product: 'text', version: 'text', serialNumber: 'text' },
  product: { name: 'text', vendor: 'text', serialNumber: 'text' },
  tpm: { present: 'flag', version: 'text' },
} as const satisfies Shape

/**
 * What can be told of a machine, always in the same order and within bounds: texts are printable and have 128 characters
 * at most. What is empty, of another type or not known is left out.
 */
export function tidyAttributes(told: unknown): AgentAttributes {
  return (tidy(shape, told) ?? {}) as AgentAttributes
}

function tidy(wanted: Shape, value: unknown): unknown {
  if (value === undefined || value === null) return undefined
  if (wanted === 'text') return typeof value === 'string' ? tidyText(value) : undefined
  if (wanted === 'count') return Number.isSafeInteger(value) && (value as number) >= 0 ? value : undefined
  if (wanted === 'flag') return typeof value === 'boolean' ? value : undefined
  if (isList(wanted)) return tidyList(wanted, value)
  if (typeof value !== 'object' || Array.isArray(value)) return undefined
  const entries = Object.entries(wanted).flatMap(([name, inner]) => {
    const found = tidy(
      inner,
      Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined,
    )
    return found === undefined ? [] : [[name, found] as const]
  })
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}

const isList = (wanted: Exclude<Shape, string>): wanted is { list: Shape; most: number } => 'most' in wanted

function tidyList({ list, most }: { list: Shape; most: number }, value: unknown): unknown[] | undefined {
  if (!Array.isArray(value)) return undefined
  const found = value.slice(0, most).flatMap((item) => tidy(list, item) ?? [])
  return found.length > 0 ? found : undefined
}

function tidyText(value: string): string | undefined {
  const text = value
    .replace(/[^\x20-\x7e\u00a1-\ud7ff\ue000-\ufffd]/g, '')
    .slice(0, longestText)
    .trim()
  return text === '' ? undefined : text
}

/** The attributes that a Hardware is annotated with; none when there are none, or when they are not readable. */
export function attributesOf(
  annotations: Readonly<Record<string, string>> | undefined,
): AgentAttributes | undefined {
  const text = annotations?.[attributesAnnotation]
  if (text === undefined) return undefined
  try {
    const found = tidyAttributes(JSON.parse(text))
    return Object.keys(found).length > 0 ? found : undefined
  } catch {
    return undefined
  }
}

const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']

/** A size as Tinkerbell's agent writes it: `2TB`, of 1,999,844,147,200 bytes. */
export function sizeText(bytes: number): string {
  let [size, unit] = [bytes, 0]
  while (size >= 1024 && unit < units.length - 1) [size, unit] = [size / 1024, unit + 1]
  return `${Math.ceil(size)}${units[unit]}`
}
