import { parseIp4, prefixLength } from '../model/ip4.ts'
import { fn } from './func.ts'
import type { FuncTable } from './func.ts'
import { TemplateError } from './limits.ts'
import { fromYaml, yamlText } from './serialize.ts'

/** The functions that Tinkerbell adds for its templates; `netmaskToCIDR` is the name in EKS Anywhere's documents. */
export const tinkerbellFunctions: FuncTable = {
  formatPartition: fn(['string', 'int'], formatPartition),
  netmaskToPrefixLength: fn(['string'], netmaskToPrefixLength),
  netmaskToCIDR: fn(['string'], netmaskToPrefixLength),
  toYaml: fn(['any'], (value, spend) => yamlText(value, (length) => spend(length * yamlSteps))),
  fromYaml: fn(['string'], (text, spend) => {
    spend(text.length * yamlSteps)
    return fromYaml(text)
  }),
}

/** Steps for a character of YAML. */
const yamlSteps = 2

/** Device of a partition: `/dev/disk/…-part2`, `/dev/nvme0n1p2` after a digit, else `/dev/sda2`. */
export function formatPartition(device: string, partition: number): string {
  if (device.startsWith('/dev/disk/')) return `${device}-part${partition}`
  return /[0-9]$/.test(device) ? `${device}p${partition}` : `${device}${partition}`
}

/** `255.255.255.0` → `24`. @throws TemplateError */
export function netmaskToPrefixLength(netmask: string): string {
  const ip = parseIp4(netmask)
  const length = ip && prefixLength(ip)
  if (length === undefined)
    throw new TemplateError(`invalid netmask ${JSON.stringify(netmask)}, expected one like 255.255.255.0`)
  return String(length)
}
