import type { Seen } from './case.ts'
import type { Look } from './look.ts'
import { isWhole, textOf } from './read.ts'
import { fact, portOf, saw, sawAll, silence } from './rule.ts'
import type { Rule } from './rule.ts'

const scriptMissing: Rule = (look) => {
  if (look.step !== 'ipxe' || !look.stuck) return undefined
  return {
    cause: 'script-not-fetched',
    weight: 87,
    title: 'iPXE got an address and the URL of its script, and did not fetch it',
    evidence: [...sawAll(look.sign), fact(silence(look))],
    todo: [
      `open ${portOf(look, 'http', 'TCP')} for the machine: TFTP goes through, HTTP does not`,
      'check netmask and gateway in the Hardware: TFTP may have used another way',
      'look at its screen: iPXE says which address it cannot reach, and why (ipxe.org/err)',
    ],
  }
}

const target = (look: Look): string => textOf(look.last('boot-script')?.facts ?? {}, 'target')

const broken: Rule = (look) => {
  const parts: readonly [Seen['stage'], string][] = [
    ['boot-file', 'boot file'],
    ['kernel', 'kernel'],
    ['initramfs', 'initramfs'],
  ]
  for (const [stage, name] of parts) {
    const cut = look.last(stage, (entry) => !isWhole(entry))
    const whole = look.last(stage, isWhole)
    if (!cut || cut.lastAt <= (whole?.lastAt ?? 0)) continue
    return {
      cause: 'transfer-broken',
      weight: 90,
      title: `its download of the ${name} broke off`,
      evidence: [saw(cut)],
      todo: [
        'was it switched off or reset in that moment? Otherwise look for packet loss: cable, duplex mismatch, switch port (`ethtool -S`)',
        'a proxy or firewall with a limit on time or size may cut the connection',
        'too little memory: the netboot OS needs 384 MiB',
      ],
    }
  }
  return undefined
}

const kernelMissing: Rule = (look) => {
  if (look.step !== 'script' || !look.stuck || target(look) !== 'agent') return undefined
  return {
    cause: 'kernel-not-fetched',
    weight: 84,
    title: 'it was told to boot the netboot OS, and did not fetch the kernel',
    evidence: [...sawAll(look.sign), fact(silence(look))],
    todo: [
      'look at its screen: iPXE says what it could not load, and tries five times',
      'netboot.osie in its Hardware may name another server: check that the machine reaches it',
      'too old an iPXE in the network card: name a program of this server (netboot.ipxe.binary)',
    ],
  }
}

const initramfsMissing: Rule = (look) => {
  if (look.step !== 'kernel' || !look.stuck) return undefined
  return {
    cause: 'initramfs-not-fetched',
    weight: 84,
    title: 'it fetched the kernel and not the initramfs',
    evidence: [...sawAll(look.sign), fact(silence(look))],
    todo: ['look at its screen: iPXE says why', 'too little memory: the netboot OS needs 384 MiB'],
  }
}

/** A word of the netboot OS itself, by syslog, after its kernel was fetched. */
const words = (look: Look) =>
  look.ever('syslog', ({ lastAt }) => lastAt >= (look.last('kernel')?.lastAt ?? Infinity))

const osSilent: Rule = (look) => {
  if (look.step !== 'initramfs' || !look.stuck || words(look)) return undefined
  return {
    cause: 'netboot-os-silent',
    weight: 85,
    title: 'it fetched kernel and initramfs, and the netboot OS was not heard',
    evidence: [...sawAll(look.last('kernel'), look.sign), fact(silence(look))],
    todo: [
      'look at its console. Nothing there: name the right one in boot.kernelArgs, `console=ttyS1,115200n8` for many BMCs',
      'a kernel panic: too little memory (less than 384 MiB), or the kernel does not suit the processor',
      'no network there: the kernel has no driver or firmware for the card; netboot.osie can name another kernel',
      'the switch port may have gone into another VLAN or blocking (LACP, spanning tree)',
    ],
  }
}

const agentSilent: Rule = (look) => {
  const spoke = words(look)
  const isUp = look.step === 'netboot-os' || (look.step === 'initramfs' && spoke)
  if (!isUp || !look.stuck || rejection(look)) return undefined
  return {
    cause: 'agent-silent',
    weight: 86,
    title: 'the netboot OS has its network, and its agent has not called',
    evidence: [...sawAll(look.last('initramfs'), look.sign, spoke), fact(silence(look))],
    todo: [
      `open ${portOf(look, 'grpc', 'TCP')} for the machine`,
      'look at its console and at its syslog lines in `ironwake timeline`',
      'the script may have come without an identity: the log then warns "boot script without identity"',
    ],
  }
}

function rejection(look: Look): Seen | undefined {
  const found = look.ever('agent-rejected')
  const hello = look.ever('agent-hello')
  return found && found.lastAt > (hello?.lastAt ?? 0) ? found : undefined
}

/** What helps agents of Tinkerbell, which have no credentials, by why they were turned away. */
const notAdmitted: Readonly<Record<string, readonly string[]>> = {
  'not-admitted': [
    "an agent of Tinkerbell called: admit such agents (grpc.tinkerbellAgents: address), or boot this server's own netboot OS",
  ],
  'address-mismatch': [
    'its calls come from an address that its Hardware does not have: correct spec.interfaces[].dhcp.ip.address, or let the machine get its address from here',
    'behind address translation, or with addresses of another server: grpc.tinkerbellAgents: id believes what agents say of themselves',
  ],
  'agent-id-mismatch': [
    'its agent calls itself what the Hardware does not have: correct spec.agentID, or worker_id on its kernel command line',
  ],
}

const rejected: Rule = (look) => {
  const found = rejection(look)
  if (!found) return undefined
  return {
    cause: 'agent-rejected',
    weight: 93,
    title: 'its agent called and its identity was refused',
    evidence: [saw(found)],
    todo: notAdmitted[String(found.facts['why'])] ?? [
      'reboot it: each boot gets an identity of its own, and one that was used is not taken again',
      'if it comes again: a clone of this machine or a copy of its boot files is at work (the log says `boot credentials were shown twice`)',
      'was the data directory of the server replaced? Then every machine must boot again',
    ],
  }
}

const lost: Rule = (look) => {
  const found = look.ever('agent-lost')
  const later = look.ever(['agent-hello', 'workflow-ended', 'phone-home'])
  if (!found || found.lastAt <= (later?.lastAt ?? 0) || look.boot.length > 0) return undefined
  return {
    cause: 'agent-lost',
    weight: 86,
    title: 'its agent was connected and is no longer heard',
    evidence: sawAll(look.ever(['action-started', 'action-ended']), found),
    todo: [
      'is the machine on, and its link up? Look at its console',
      'an action may have taken the network or the memory away: `ironwake workflow logs` has its last lines',
    ],
  }
}

/** What may be wrong from iPXE to the agent. */
export const netbootRules: readonly Rule[] = [
  rejected,
  broken,
  scriptMissing,
  agentSilent,
  osSilent,
  kernelMissing,
  initramfsMissing,
  lost,
]
