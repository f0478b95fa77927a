import type { Facts, Stage } from '../timeline/stage.ts'
import { publicFile } from './boot.ts'
import { dhcpOption, getOption } from './options/table.ts'
import { unsetIp } from './packet.ts'
import type { Query } from './query.ts'
import type { Reply } from './decide.ts'

export type Trace = { stage: Stage; facts: Facts }

/**
 * What a timeline keeps of a query and its answer. A discovery or request comes before its answer; a message that needs
 * none (release, decline) leaves the silence alone.
 */
export function tracesOf(query: Query, reply: Reply): Trace[] {
  const asked = askedStage(query)
  const answered = { stage: answerStage(reply), facts: answerFacts(query, reply) }
  return asked ? [{ stage: asked, facts: askedFacts(query, reply) }, answered] : [answered]
}

function askedStage({ type }: Query): Stage | undefined {
  if (type === 'discover') return 'dhcp-discover'
  return type === 'request' || type === 'inform' ? 'dhcp-request' : undefined
}

function askedFacts({ type, client, packet }: Query, reply: Reply): Facts {
  const requested = getOption(packet.options, dhcpOption.requestedIp)
  const ip = requested ?? (packet.ciaddr === unsetIp ? undefined : packet.ciaddr)
  return {
    ...(ip && type !== 'discover' && { ip }),
    ...(isOthers(reply) && serverOf(packet)),
    client: client.stage,
    ...(client.archs.length > 0 && { arch: client.archs.join(',').slice(0, 40) }),
    ...(packet.giaddr !== unsetIp && { relay: packet.giaddr }),
    ...(type === 'inform' && { inform: true }),
    ...(isStranger(reply) && introduction(packet)),
  }
}

/** Whether the answer is one to a machine that no Hardware has. */
const isStranger = (reply: Reply): boolean =>
  reply.kind === 'silent'
    ? strangerSilences.has(reply.why)
    : reply.kind !== 'nak' && reply.change !== undefined

const strangerSilences: ReadonlySet<string> = new Set([
  'unknown-machine',
  'pool-exhausted',
  'other-pool',
  'probing',
])

/** What a machine says of itself, by which someone may know it. */
function introduction({ options }: Query['packet']): Facts {
  const vendor = getOption(options, dhcpOption.vendorClass)
  const hostname = getOption(options, dhcpOption.hostname)
  const uuid = guidOf(getOption(options, dhcpOption.clientMachineId))
  return { ...(vendor && { vendor }), ...(hostname && { hostname }), ...(uuid && { uuid }) }
}

/** Type 0 of RFC 4578 §2.3 as SMBIOS tools print it: its first three fields are little-endian. */
function guidOf(id: Uint8Array | undefined): string | undefined {
  if (id?.length !== 17 || id[0] !== 0) return undefined
  const hex = (...places: number[]) => places.map((at) => id[at]!.toString(16).padStart(2, '0')).join('')
  return [hex(4, 3, 2, 1), hex(6, 5), hex(8, 7), hex(9, 10), hex(11, 12, 13, 14, 15, 16)].join('-')
}

const isOthers = (reply: Reply): boolean => reply.kind === 'silent' && reply.why === 'other-server'

/** The server that it takes an address from. */
function serverOf({ options }: Query['packet']): Facts {
  const server = getOption(options, dhcpOption.serverId)
  return server === undefined ? {} : { server }
}

function answerStage({ kind }: Reply): Stage {
  if (kind === 'offer') return 'dhcp-offer'
  if (kind === 'ack') return 'dhcp-ack'
  return kind === 'nak' ? 'dhcp-nak' : 'dhcp-silent'
}

function answerFacts({ type, packet }: Query, reply: Reply): Facts {
  if (reply.kind === 'silent') {
    const declined = type === 'decline' && getOption(packet.options, dhcpOption.requestedIp)
    return { type, ...(declined && { ip: declined }), why: reply.why }
  }
  if (reply.kind === 'nak') return { ip: reply.wanted, why: reply.why }
  const { ip, boot, offLink, change } = reply
  const address = { ...(ip && { ip }), ...(change && { pool: true }), ...(offLink && { offLink }) }
  if (boot.kind !== 'none') return { ...address, file: publicFile(boot.file) }
  return boot.why === 'not-netboot' ? address : { ...address, noFile: boot.why }
}
