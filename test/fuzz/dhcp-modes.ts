import { decide } from '../../src/dhcp/decide.ts'
import type { DhcpContext, Reply } from '../../src/dhcp/decide.ts'
import { encode } from '../../src/dhcp/encode.ts'
import { createLeases } from '../../src/dhcp/leases.ts'
import type { LeaseState } from '../../src/dhcp/leases.ts'
import { dhcpOption, getOption } from '../../src/dhcp/options/table.ts'
import { parse, unsetIp } from '../../src/dhcp/packet.ts'
import { readQuery } from '../../src/dhcp/query.ts'
import type { Query } from '../../src/dhcp/query.ts'
import { tracesOf } from '../../src/dhcp/trail.ts'
import { ip4ToNumber } from '../../src/model/ip4.ts'
import type { Ip4 } from '../../src/model/ip4.ts'
import { ip4 } from '../dhcp/packets.ts'
import { context, inventory } from './inventory.ts'
import type { Verdict } from './inventory.ts'

type Answered = Exclude<Reply, { kind: 'silent' }>
/** Judges one message as a server of this mode answers it. @throws Error when the answer is one that must never be given */
export type Judge = (bytes: Uint8Array) => Verdict

const strangerUrl = (mac: string) => `http://192.168.77.1:7171/ipxe/script/${mac}/auto.ipxe`
const claim = (holds: boolean, what: string) => {
  if (!holds) throw new Error(what)
}

function judged(
  bytes: Uint8Array,
  contextOf: () => DhcpContext,
  examine: (query: Query, reply: Answered) => void,
) {
  const packet = parse(bytes)
  const query = typeof packet === 'string' ? packet : readQuery(packet)
  if (typeof query === 'string') return { verdict: 'dropped' as const }
  const reply = decide(query, inventory.get(query.mac), contextOf())
  tracesOf(query, reply)
  if (reply.kind !== 'silent') {
    const sent = parse(encode(reply.packet, getOption(query.packet.options, dhcpOption.maxMessageSize)).bytes)
    if (typeof sent === 'string') throw new Error(`the reply cannot be read: ${sent}`)
    claim(reply.packet.xid === query.packet.xid, 'another transaction id')
    examine(query, reply)
  }
  return { verdict: reply.kind, query, reply }
}

const addressOptions = [1, 3, 6, 12, 15, 28, 51, 58, 59, 119, 121]

/** @param door the port that the messages come to */
export function proxyJudge(mode: 'proxy' | 'auto-proxy', door: 'dhcp' | 'proxy'): Judge {
  const own: DhcpContext = { ...context, mode, door, strangerUrl }
  return (bytes) =>
    judged(
      bytes,
      () => own,
      (query, { packet, to, kind }) => {
        const machine = inventory.get(query.mac)
        claim(kind !== 'nak', 'a proxy refuses nothing')
        claim(packet.yiaddr === unsetIp, `${packet.yiaddr} given by a proxy`)
        claim(query.client.stage !== 'os', 'an answer to a running system')
        claim(mode === 'auto-proxy' || machine !== undefined, `an answer to ${query.mac}`)
        claim(!machine?.dhcpDisabled, 'an answer to a machine that is none of our business')
        claim(!addressOptions.some((code) => packet.options.has(code)), 'settings of a network')
        claim(packet.options.has(dhcpOption.vendorClass.code), 'no class')
        claim((to.role === 'sender') === (door === 'proxy'), `sent to ${to.role}`)
      },
    ).verdict
}

const range = { first: ip4('192.168.77.20'), last: ip4('192.168.77.35') }
const size = ip4ToNumber(range.last) - ip4ToNumber(range.first) + 1

/** The pool lies over the addresses of the inventory, and is small. Its leases stay from message to message. */
export function poolJudge(): Judge {
  const leases = createLeases(range)
  const reserved = new Set([...inventory.values()].map((machine) => machine.ip))
  const isReserved = (ip: Ip4) => reserved.has(ip)
  const link = { ip: ip4('192.168.77.1'), netmask: ip4('255.255.255.0') }
  const settings = { leases, leaseSeconds: 60, link, gateway: undefined, nameServers: [], isReserved }
  let now = 0
  const put = (query: Query, ip: Ip4, state: LeaseState, ms: number) =>
    leases.put({ ip, mac: query.mac, state, until: now + ms, since: now })

  function carryOut(query: Query, reply: Reply): void {
    if (!('change' in reply) || !reply.change) return
    const { kind, ip } = reply.change
    const held = leases.at(ip)
    if (kind === 'offer' || kind === 'bind')
      claim(
        !held || held.mac === query.mac || held.until <= now,
        `${ip} is ${held?.mac}'s, not ${query.mac}'s`,
      )
    else claim(held?.mac === query.mac, `${kind} of ${ip} by ${query.mac}`)
    if (kind === 'offer') put(query, ip, 'offered', 600)
    if (kind === 'bind') put(query, ip, 'bound', 60_000)
    if (kind === 'release') put(query, ip, 'released', 0)
    if (kind === 'decline') put(query, ip, 'declined', 900)
    claim([...leases.all()].length <= size, 'more leases than addresses')
  }

  return (bytes) => {
    now += 10
    const { verdict, query, reply } = judged(
      bytes,
      () => ({ ...context, strangerUrl, pool: { ...settings, now } }),
      (asked, { packet }) => {
        const { yiaddr } = packet
        const machine = inventory.get(asked.mac)
        if (yiaddr === unsetIp || yiaddr === machine?.ip) return
        claim(machine?.ip === undefined, `${yiaddr} given to a machine that has ${machine?.ip}`)
        claim(leases.includes(yiaddr) && !isReserved(yiaddr), `${yiaddr} given to ${asked.mac}`)
        claim(asked.packet.giaddr === unsetIp, 'an address of the pool behind a relay')
      },
    )
    if (query && reply) carryOut(query, reply)
    return verdict
  }
}
