import type { TimelineEntry } from './stage.ts'

/** One start of the machine. Times are epoch ms, durations ms; what did not happen is missing. */
export type Boot = {
  /** its first DISCOVER, or what was seen first */
  startedAt: number
  /** how often it came round to the same before it went on */
  rounds: number
  loaderAt?: number
  ipxeAt?: number
  scriptAt?: number
  kernelAt?: number
  initramfsAt?: number
  agentAt?: number
  /** told to boot its own disk */
  diskAt?: number
  phoneHomeAt?: number
}

/** From the first DISCOVER of the boot that brought the agent; the last installation counts. */
export type Journey = {
  boots: readonly Boot[]
  firstDiscoverAt?: number
  toAgentMs?: number
  toPhoneHomeMs?: number
}

/** boots in one answer, the latest */
const most = 20

/** @param entries oldest first */
export function journeyOf(entries: readonly TimelineEntry[]): Journey {
  const boots: Boot[] = []
  for (const entry of entries) {
    const current = boots.at(-1)
    if (!current || startsAnew(entry, current))
      boots.push(withMark({ startedAt: entry.at, rounds: 1 }, entry))
    else boots[boots.length - 1] = withMark(current, entry)
  }
  const install = boots.findLast(({ agentAt }) => agentAt !== undefined)
  if (!install) return { boots: boots.slice(-most) }
  const { startedAt, agentAt = startedAt } = install
  const home = boots.slice(boots.indexOf(install)).findLast(({ phoneHomeAt }) => phoneHomeAt !== undefined)
  return {
    boots: boots.slice(-most),
    firstDiscoverAt: startedAt,
    toAgentMs: agentAt - startedAt,
    ...(home && { toPhoneHomeMs: home.phoneHomeAt! - startedAt }),
  }
}

/**
 * A machine that asks for its boot file once more has started anew; so has an iPXE in the firmware that asks after it
 * had a script.
 */
function startsAnew({ stage, facts }: TimelineEntry, { scriptAt, agentAt, diskAt }: Boot): boolean {
  if (stage !== 'dhcp-discover') return false
  const { client } = facts
  const isFirmware = client === 'firmware' || client === 'http'
  const isFar = scriptAt !== undefined || agentAt !== undefined || diskAt !== undefined
  return isFar && (isFirmware || client === 'ipxe')
}

const marks = {
  'tftp-read': 'loaderAt',
  'boot-file': 'loaderAt',
  'boot-script': 'scriptAt',
  kernel: 'kernelAt',
  initramfs: 'initramfsAt',
  'agent-hello': 'agentAt',
  'boot-disk': 'diskAt',
  'phone-home': 'phoneHomeAt',
} as const

function withMark(boot: Boot, { stage, facts, at, count }: TimelineEntry): Boot {
  const isDiscover = stage === 'dhcp-discover'
  const isIpxe = isDiscover && facts['client'] === 'ipxe' && boot.ipxeAt === undefined
  const name = Object.hasOwn(marks, stage) ? marks[stage as keyof typeof marks] : undefined
  return {
    ...boot,
    ...(isDiscover && { rounds: Math.max(boot.rounds, count) }),
    ...(isIpxe && { ipxeAt: at }),
    ...(name && boot[name] === undefined && { [name]: at }),
  }
}
