import { ip4ToNumber } from '../../model/ip4.ts'
import type { Ip4 } from '../../model/ip4.ts'
import type { Mac } from '../../model/mac.ts'
import type { Evidence } from './case.ts'
import type { Look } from './look.ts'
import { likeness, likenessText } from './nearest.ts'
import { fact, sawAll } from './rule.ts'
import type { Rule } from './rule.ts'

const isKnown = ({ machines }: Look) => machines.length > 0
const isSilent = (look: Look) =>
  look.seen.every(({ stage }) => stage === 'syslog' || stage.startsWith('workflow'))

const neverSeen: Rule = (look) => {
  if (!isSilent(look)) return undefined
  const { dhcpHeardAt } = look.server
  const heard = dhcpHeardAt
    ? { at: dhcpHeardAt, text: 'other machines are heard: the server itself is reachable by broadcast' }
    : fact('no machine at all was heard: rather the network or the server than this one machine')
  const ofMachine = [
    'power the machine on and watch its screen: network boot must stand before the disk in its boot order, and be enabled for this port',
    `compare the MAC on the screen with ${look.macs.join(', ')}: it may boot from another port`,
    'check the cable, the link light and the VLAN of the switch port; spanning tree may block it for 30 s after power-on (portfast)',
  ]
  const ofNetwork = [
    'behind a router: set the server as DHCP relay target (ip helper-address) there',
    'check with `tcpdump -ni any port 67` on the server whether anything arrives',
  ]
  const todo = dhcpHeardAt ? [...ofMachine, ...ofNetwork] : [...ofNetwork, ...ofMachine]
  const evidence = [fact(`nothing was ever seen of ${look.macs.join(', ')}`), heard]
  const weight = isKnown(look) ? 80 : 70
  return { cause: 'never-seen', weight, title: 'the machine was never heard', evidence, todo }
}

const noRelay: Rule = (look) => {
  const { machine, server } = look
  if (!isSilent(look) || !machine?.ip || server.subnets.length === 0) return undefined
  const { ip, netmask } = machine
  const isNear = server.subnets.some((own) =>
    [own.netmask, netmask].some((mask) => mask && isSameNet(ip, own.ip, mask)),
  )
  if (isNear) return undefined
  const own = server.subnets.map((subnet) => subnet.ip).join(', ')
  return {
    cause: 'no-relay',
    weight: 85,
    title: 'nothing was heard, and the machine is in a network that the server is not a part of',
    evidence: [fact(`the Hardware's address is ${ip}, the server's addresses are ${own}`)],
    todo: [
      `set ${server.address} as DHCP relay target (ip helper-address) on the router of that network: DISCOVER is a broadcast, which no router passes on`,
      'if the machine is on the same wire as the server: mend the address in the Hardware',
    ],
  }
}

const isSameNet = (a: Ip4, b: Ip4, mask: Ip4): boolean =>
  ((ip4ToNumber(a) ^ ip4ToNumber(b)) & ip4ToNumber(mask)) === 0

const dhcpOff: Rule = (look) => {
  if (look.server.dhcp !== 'off' || !isSilent(look)) return undefined
  return {
    cause: 'dhcp-off',
    weight: 88,
    title: 'this server leaves DHCP to another one, and the machine did not come here for its boot file',
    evidence: [fact('dhcp.mode is off')],
    todo: [
      `the other DHCP server must name ${look.server.address} as next server and the boot file (see docs/booting.md), or set dhcp.mode to reservation`,
    ],
  }
}

const unknownMac: Rule = (look) => {
  if (isKnown(look) || !look.macs[0]) return undefined
  const near = similar(look, look.macs[0])
  const ask = look.ever(['dhcp-discover', 'dhcp-request'])
  return {
    cause: 'unknown-mac',
    weight: isSilent(look) ? 75 : 95,
    title: `no Hardware has this MAC${look.ever('dhcp-ack') ? '' : ', so it gets no answer'}`,
    evidence: [
      ...sawAll(ask),
      ...near,
      ...(near.length === 0 ? [fact('no MAC of the inventory is like it')] : []),
    ],
    todo: near.length
      ? [
          'if it is that machine: put this MAC into its Hardware, or boot from the port that the inventory names',
          'otherwise add it: `ironwake unknown list -o csv` gives a row to fill in',
        ]
      : [
          'add it: `ironwake unknown list -o csv` gives a row to fill in, `ironwake hardware import` takes it',
        ],
  }
}

/** MACs of the inventory that this one may be meant to be; the same UUID first. */
function similar(look: Look, mac: Mac): Evidence[] {
  const uuid = look.strangers.find((stranger) => stranger.mac === mac)?.uuid
  const same = look.inventory.filter((listed) => uuid !== undefined && listed.uuid === uuid)
  const like = look.inventory.flatMap((listed) => {
    const how = likeness(mac, listed.mac)
    return how && !same.includes(listed) ? [{ ...listed, how }] : []
  })
  return [
    ...same.map(({ mac: other, hardware }) =>
      fact(`${other} of ${hardware}: the same machine (UUID ${uuid})`),
    ),
    ...like.map(({ mac: other, hardware, how }) => fact(`${other} of ${hardware}: ${likenessText[how]}`)),
  ].slice(0, 5)
}

const similarSeen: Rule = (look) => {
  if (!isKnown(look) || !isSilent(look)) return undefined
  const found = look.strangers.flatMap((stranger) => {
    const how = look.macs.map((mac) => likeness(mac, stranger.mac)).find(Boolean)
    return how ? [{ ...stranger, how }] : []
  })
  const first = found[0]
  if (!first) return undefined
  return {
    cause: 'similar-mac-seen',
    weight: 92,
    title: `it was not heard, but ${first.mac}, which no Hardware has, was`,
    evidence: found.slice(0, 5).map(({ mac, how, lastSeen, relay }) => ({
      at: lastSeen,
      text: `${mac} asked for an address${relay ? ` through relay ${relay}` : ''}: ${likenessText[how]}`,
    })),
    todo: [
      `if that is the machine: put ${first.mac} into the Hardware instead of ${look.macs.join(', ')}`,
      'if it is another port of it: boot from the one that the inventory names, or list both',
    ],
  }
}

const notReady: Rule = (look) =>
  look.server.ready
    ? undefined
    : {
        cause: 'server-not-ready',
        weight: 96,
        title: 'the server has not read its inventory yet, or again',
        evidence: [fact('/readyz says: lookup')],
        todo: ['wait a moment and ask again; if it stays so, look for errors in its log'],
      }

const notListening: Rule = (look) => {
  const needed = neededPorts(look)
  const closed = look.server.ports.filter(({ name, listening }) => !listening && needed.includes(name))
  if (closed.length === 0) return undefined
  return {
    cause: 'server-not-listening',
    weight: 97,
    title: `the server does not listen where the machine asks next: ${closed.map(({ name }) => name).join(', ')}`,
    evidence: closed.map(({ name, port }) => fact(`${name}: port ${port} is not open`)),
    todo: ['look for the reason in the log of the server, and at /readyz'],
  }
}

/** Which part of the server comes next. */
function neededPorts({ step, sign }: Look): readonly string[] {
  if (['nothing', 'asked', 'offered', 'requested'].includes(step)) return ['dhcp']
  if (step === 'addressed') return [/^https?:/.test(String(sign?.facts['file'])) ? 'http' : 'tftp']
  if (step === 'initramfs' || step === 'netboot-os') return ['grpc']
  return step === 'loader' ? ['dhcp'] : ['http']
}

/** What may be wrong when nothing was heard of a machine, or nobody knows it. */
export const unseenRules: readonly Rule[] = [
  notListening,
  notReady,
  dhcpOff,
  unknownMac,
  similarSeen,
  noRelay,
  neverSeen,
]
