import type { Seen } from './case.ts'
import type { Look } from './look.ts'
import { textOf } from './read.ts'
import { fact, saw, sawAll, silence } from './rule.ts'
import type { Rule } from './rule.ts'

/** The refusal or silence for this reason, unless the machine got an address after it. */
export function unanswered(look: Look, ...reasons: readonly string[]): Seen | undefined {
  const found = look.last(['dhcp-silent', 'dhcp-nak'], ({ facts }) => reasons.includes(textOf(facts, 'why')))
  const ack = look.ever('dhcp-ack')
  return found && found.lastAt > (ack?.lastAt ?? 0) ? found : undefined
}

/** Whether another server is meant to give the addresses. */
const isProxy = ({ server }: Look): boolean => server.dhcp.includes('proxy')

const disabled: Rule = (look) => {
  const silent = unanswered(look, 'dhcp-disabled')
  if (!silent && !(look.machine?.dhcpDisabled && look.seen.length === 0)) return undefined
  return {
    cause: 'dhcp-disabled',
    weight: silent ? 95 : 60,
    title: 'DHCP is switched off for this interface in its Hardware, so it gets no answer',
    evidence: [...sawAll(silent), fact('spec.interfaces[].disableDhcp is true')],
    todo: ['set disableDhcp to false for the interface that boots'],
  }
}

const noAddress: Rule = (look) => {
  const silent = unanswered(look, 'no-address')
  if (!silent && !(look.machine && !look.machine.ip && look.seen.length === 0)) return undefined
  return {
    cause: 'no-address',
    weight: silent ? 95 : 60,
    title: 'its Hardware has no address to give',
    evidence: [...sawAll(silent), fact('spec.interfaces[].dhcp.ip.address is missing')],
    todo: ['give the interface an address, netmask and gateway in its Hardware'],
  }
}

const otherServer: Rule = (look) => {
  const silent = unanswered(look, 'other-server')
  if (!silent || isProxy(look) || !['request', 'undefined', ''].includes(textOf(silent.facts, 'type')))
    return undefined
  const request = look.last('dhcp-request', ({ facts }) => textOf(facts, 'server') !== '')
  const server = request && textOf(request.facts, 'server')
  return {
    cause: 'other-dhcp-server',
    weight: 93,
    title: `it took the offer of another DHCP server${server ? `, ${server}` : ''}`,
    evidence: sawAll(look.last('dhcp-offer'), request, silent),
    todo: [
      `switch ${server || 'the other server'} off for this network or for this MAC, or keep the two in separate VLANs`,
      'a router, a virtual switch or a BMC may be a DHCP server as well: `nmap --script broadcast-dhcp-discover` lists who answers',
    ],
  }
}

const relayed = (entry: Seen | undefined): string => (entry ? textOf(entry.facts, 'relay') : '')

const offerIgnored: Rule = (look) => {
  if (look.step !== 'offered' || !look.stuck) return undefined
  const ask = look.last('dhcp-discover')
  const relay = relayed(ask)
  const offLink = look.sign?.facts['offLink'] === true
  return {
    cause: 'offer-ignored',
    weight: offLink ? 60 : 84,
    title: 'it was offered an address and did not ask for it',
    evidence: [...sawAll(ask, look.sign), fact(silence(look))],
    todo: relay
      ? [
          `check that ${look.server.address} reaches the relay ${relay} on UDP port 67 (route, firewall): the offer goes to the relay, which hands it on`,
          'the relay may drop offers that are not of its trusted servers (DHCP snooping)',
        ]
      : [
          'the offer may not reach it: check firewall and DHCP snooping between server and machine (UDP port 68), and VLAN tags on the way back',
          'another DHCP server may be faster, and its REQUEST not be heard here: look with `tcpdump -ni any port 67 or port 68`',
        ],
  }
}

const ackMissing: Rule = (look) => {
  if (look.step !== 'requested' || !look.stuck) return undefined
  return {
    cause: 'ack-missing',
    weight: 55,
    title: 'it asked for the address and got no answer',
    evidence: [...sawAll(look.sign), fact(silence(look))],
    todo: ['look for errors of part "dhcp" in the log of the server'],
  }
}

const offLink: Rule = (look) => {
  const offer = look.last(['dhcp-offer', 'dhcp-ack'], ({ facts }) => facts['offLink'] === true)
  const silent = unanswered(look, 'other-link')
  const found = offer ?? silent
  if (!found || look.step === 'loader' || look.sign?.stage === 'boot-script') return undefined
  const relay = relayed(look.last(['dhcp-discover', 'dhcp-request']))
  const [address, ask] = [look.machine?.ip ?? 'none', look.last('dhcp-discover')]
  if (relay)
    return {
      cause: 'relay-wrong',
      weight: 91,
      title: `the relay ${relay} asks from a network that ${address} does not belong to`,
      evidence: [
        ...sawAll(ask, found),
        fact(`the Hardware says ${address} with netmask ${look.machine?.netmask ?? 'none'}`),
      ],
      todo: [
        `if the machine is plugged in where it belongs: the relay's own address (giaddr ${relay}) must be of the machine's network`,
        'otherwise it is in the wrong VLAN, or its Hardware has the address of another network',
      ],
    }
  return {
    cause: 'off-link',
    weight: 91,
    title: `it asks on a link that its address ${address} does not belong to`,
    evidence: [
      ...sawAll(ask, found),
      fact(`the server is on ${look.server.subnets.map(({ ip }) => ip).join(', ')}`),
    ],
    todo: [
      'wrong VLAN or port: plug it in where its address belongs',
      'or mend the address in its Hardware',
      'or it should come through a relay, and a switch passes its broadcast on untagged',
    ],
  }
}

const badRelay: Rule = (look) => {
  const silent = unanswered(look, 'bad-address')
  if (!silent) return undefined
  const relay = relayed(look.last(['dhcp-discover', 'dhcp-request']))
  return {
    cause: 'relay-wrong',
    weight: 92,
    title: `the relay names itself ${relay || 'an address that cannot be answered'}`,
    evidence: sawAll(look.last('dhcp-discover'), silent),
    todo: [
      'give the relay an address on the machine’s network; it writes that into giaddr, and answers go there',
    ],
  }
}

const refused: Rule = (look) => {
  const nak = unanswered(look, 'wrong-address')
  if (!nak || nak.count < 2) return undefined
  return {
    cause: 'address-refused',
    weight: 72,
    title: `it keeps asking for ${textOf(nak.facts, 'ip') || 'an address'} that is not its own`,
    evidence: [saw(nak), fact(`its Hardware says ${look.machine?.ip ?? 'no address'}`)],
    todo: ['clear the lease that the machine remembers, or put that address into its Hardware'],
  }
}

const declined: Rule = (look) => {
  const silent = unanswered(look, 'declined')
  if (!silent) return undefined
  const ip = textOf(silent.facts, 'ip') || look.machine?.ip
  return {
    cause: 'address-in-use',
    weight: 93,
    title: `it declined ${ip ?? 'its address'}: another machine uses it`,
    evidence: [saw(silent)],
    todo: [
      `find who has ${ip ?? 'it'}: \`arping -D -I <interface> ${ip ?? '<address>'}\`, then change one of the two`,
    ],
  }
}

/** Why it was left without an answer, and what helps. */
const silences: Readonly<Record<string, readonly [string, string]>> = {
  bootp: [
    'it asks by BOOTP, which has no leases, and gets no answer',
    'choose PXE or DHCP instead of BOOTP in its network boot settings',
  ],
  'pool-exhausted': ['the pool has no free address', 'make the pool larger, or its leases shorter'],
  'other-pool': [
    'it comes from another link than the pool’s',
    'give it an address in a Hardware, or a pool to its link',
  ],
  'not-in-pool': [
    'it asks for an address that the pool does not have',
    'clear the lease that the machine remembers',
  ],
  'rate-limited': [
    'it sends more than dhcp.clientRate allows',
    'find out what it repeats, or raise dhcp.clientRate',
  ],
  'netboot-off': ['network boot is switched off on this server', 'switch it on in the settings'],
}

const notAnswered: Rule = (look) => {
  const silent = unanswered(look, ...Object.keys(silences))
  const [title, todo] = silences[textOf(silent?.facts ?? {}, 'why')] ?? []
  if (!silent || !title || !todo) return undefined
  return { cause: 'not-answered', weight: 90, title, evidence: [saw(silent)], todo: [todo] }
}

/** What may be wrong from DISCOVER to ACK. */
export const addressRules: readonly Rule[] = [
  disabled,
  noAddress,
  otherServer,
  offLink,
  badRelay,
  declined,
  refused,
  notAnswered,
  offerIgnored,
  ackMissing,
]
