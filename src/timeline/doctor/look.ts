import type { Machine } from '../../model/machine.ts'
import type { Stage } from '../stage.ts'
import type { Case, Seen } from './case.ts'
import { isLoader, isWhole, programOf } from './read.ts'

/** How far a boot has come, in order. */
export const steps = [
  'nothing',
  'asked',
  'offered',
  'requested',
  'addressed',
  'loader',
  'ipxe',
  'script',
  'kernel',
  'initramfs',
  'netboot-os',
] as const

export type Step = (typeof steps)[number]

/** How long the next step may take, ms; emulated and old machines are slow. */
const patience: Readonly<Record<Step, number>> = {
  nothing: 0,
  asked: 10_000,
  offered: 12_000,
  requested: 10_000,
  addressed: 20_000,
  loader: 30_000,
  ipxe: 15_000,
  script: 30_000,
  kernel: 60_000,
  initramfs: 180_000,
  'netboot-os': 120_000,
}

/** What a diagnosis reads out of a case. */
export type Look = Case & {
  /** the interface that was heard last, else the first one that may boot */
  machine: Machine | undefined
  /** what belongs to the boot under way or broken off: all since the machine last reached something */
  boot: readonly Seen[]
  step: Step
  /** the last sign of that step */
  sign: Seen | undefined
  /** whether the step after it is overdue, or the machine began anew instead */
  stuck: boolean
  /** how often the machine went as far as that and no further */
  rounds: number
  /** the last entry of these stages, in this boot; `where` tells more of it */
  last(stages: Stage | readonly Stage[], where?: (entry: Seen) => boolean): Seen | undefined
  /** the same of all that was ever seen */
  ever(stages: Stage | readonly Stage[], where?: (entry: Seen) => boolean): Seen | undefined
}

/** What a machine has reached: from there it boots anew, or not at all. */
const goals: readonly Stage[] = ['agent-hello', 'boot-disk', 'phone-home']

export function look(given: Case): Look {
  const ever = finder(given.seen)
  const goal = ever(goals)
  const since = given.seen.filter(({ stage, lastAt }) => stage !== 'syslog' && lastAt > (goal?.lastAt ?? -1))
  const boot = since.some(isOfBoot) ? since : []
  const last = finder(boot)
  const { step, sign, isAnew } = reach(boot, given.now)
  const quiet = given.now - (sign?.lastAt ?? 0) >= patience[step]
  const heard = given.seen.toSorted((a, b) => b.lastAt - a.lastAt)[0]?.mac
  const machine =
    given.machines.find(({ mac }) => mac === heard) ??
    given.machines.find(({ allowPxe }) => allowPxe) ??
    given.machines[0]
  return { ...given, machine, boot, step, sign, stuck: isAnew || quiet, rounds: sign?.count ?? 0, last, ever }
}

function finder(entries: readonly Seen[]): Look['last'] {
  const byTime = entries.toSorted((a, b) => a.lastAt - b.lastAt)
  return (stages, where = () => true) =>
    byTime.findLast(
      (entry) =>
        (stages === entry.stage || (stages as readonly Stage[]).includes(entry.stage)) && where(entry),
    )
}

/** Whether only a machine that boots does this, not a running system that renews its lease. */
function isOfBoot(entry: Seen): boolean {
  if (['tftp-read', 'tftp-failed', 'boot-file', 'boot-script', 'kernel', 'initramfs'].includes(entry.stage))
    return true
  const program = programOf(entry)
  return entry.stage.startsWith('dhcp-') && (entry.stage === 'dhcp-silent' || program !== 'os')
}

/**
 * The furthest step of the latest round. A round that has only just begun says less than the one before it: then that
 * one counts, and the machine has begun anew.
 */
function reach(boot: readonly Seen[], now: number): { step: Step; sign: Seen | undefined; isAnew: boolean } {
  const all = furthest(boot)
  const signAt = all.sign?.lastAt ?? 0
  const isPastScript = steps.indexOf(all.step) >= steps.indexOf('script')
  const start = finder(boot)('dhcp-discover', (entry) => {
    const program = programOf(entry)
    return program === 'firmware' || program === 'http' || (program === 'ipxe' && isPastScript)
  })
  if (!start || start.lastAt <= signAt) return { ...all, isAnew: false }
  const latest = furthest(boot.filter(({ lastAt }) => lastAt >= start.lastAt))
  const isOver = now - (latest.sign?.lastAt ?? 0) >= 2 * patience[latest.step]
  const isOld = start.lastAt - signAt >= longAgoMs
  return isOver || isOld ? { ...latest, isAnew: false } : { ...all, isAnew: true }
}

/** a try that far back was another day's */
const longAgoMs = 900_000

function furthest(entries: readonly Seen[]): { step: Step; sign: Seen | undefined } {
  const ranked = entries.map((entry) => ({ entry, rank: steps.indexOf(stepOf(entry, entries)) }))
  const best = Math.max(0, ...ranked.map(({ rank }) => rank))
  const signs = best === 0 ? [] : ranked.filter(({ rank }) => rank === best).map(({ entry }) => entry)
  return { step: steps[best]!, sign: signs.toSorted((a, b) => a.lastAt - b.lastAt).at(-1) }
}

function stepOf(entry: Seen, all: readonly Seen[]): Step {
  const { stage } = entry
  const program = programOf(entry)
  // A system that renews its lease says nothing of a boot, unless it is the one that was just loaded.
  if (program === 'os') {
    const isLoaded = all.some((other) => other.stage === 'kernel' && other.lastAt <= entry.lastAt)
    return isLoaded && stage === 'dhcp-ack' ? 'netboot-os' : 'nothing'
  }
  if (stage === 'dhcp-discover') return 'asked'
  // With an address of another server, the offer is all that we say.
  const isProxied = entry.facts['ip'] === undefined && entry.facts['file'] !== undefined
  if (stage === 'dhcp-offer' && isProxied) return program === 'ipxe' ? 'ipxe' : 'addressed'
  if (stage === 'dhcp-offer') return 'offered'
  if (stage === 'dhcp-request') return 'requested'
  if (stage === 'dhcp-ack') return program === 'ipxe' ? 'ipxe' : 'addressed'
  if (isLoader(entry)) return isWhole(entry) ? 'loader' : 'nothing'
  if (stage === 'boot-script') return 'script'
  return (stage === 'kernel' || stage === 'initramfs') && isWhole(entry) ? stage : 'nothing'
}
