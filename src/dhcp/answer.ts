import { encode } from './encode.ts'
import { dhcpOption, getOption } from './options/table.ts'
import type { Client, Query, QueryType } from './query.ts'
import type { Destination, Reply, Silence } from './reply.ts'
import { tracesOf } from './trail.ts'
import type { Trace } from './trail.ts'

/** All that becomes of a query: what is sent, recorded and counted. */
export type Answer = {
  type: QueryType
  client: Client['stage']
  outcome: 'offer' | 'ack' | 'nak' | Silence
  /** the reservation is no address of the link that the client asks from */
  offLink: boolean
  /** nothing for a silence */
  message: Message | undefined
  traces(): readonly Trace[]
}

/** Octets for the wire. `leftOut` are numbers of options that did not fit. */
export type Message = { bytes: Uint8Array; leftOut: readonly number[]; to: Destination }

export function answerOf(query: Query, reply: Reply): Answer {
  const { type, client } = query
  const common = { type, client: client.stage, traces: () => tracesOf(query, reply) }
  if (reply.kind === 'silent') return { ...common, outcome: reply.why, offLink: false, message: undefined }
  const offLink = reply.kind !== 'nak' && reply.offLink
  const maxSize = getOption(query.packet.options, dhcpOption.maxMessageSize)
  const message = { ...encode(reply.packet, maxSize), to: reply.to }
  return { ...common, outcome: reply.kind, offLink, message }
}
