import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { TraceParent } from '../model/trace-parent.ts'
import type { Facts, TimelineEntry } from '../timeline/stage.ts'
import { cutOff, follow, isIdle } from './boot.ts'
import type { Boot, Span } from './boot.ts'

/** Where the spans of one boot go. Times are epoch ms. */
export type BootTrace = {
  add(span: Span): void
  end(at: number, error: string | undefined): void
}

type Deps = {
  machineByMac(mac: Mac): Machine | undefined
  /** begins the trace of a boot, whose root span has these ids */
  begin(at: number, facts: Facts, ids: TraceParent): BootTrace
  newIds(): TraceParent
  clock: { now(): number }
}

/** boots that are followed at once; the oldest are cut off */
const most = 5000

export type Boots = {
  seen(mac: Mac, entry: TimelineEntry): void
  /**
   * The root span of the boot that a machine is in when it asks for an address, or begins by that.
   * @param client who asks, as in the timeline
   */
  parentOf(mac: Mac, client: string): TraceParent | undefined
  /** ends what nothing is expected of any more */
  sweep(now: number): void
  endAll(): void
}

type Following = { boot: Boot; trace: BootTrace; ids: TraceParent; error: string | undefined }

/** Makes a trace of every boot of every machine of the inventory. */
export function createBoots({ machineByMac, begin, newIds, clock }: Deps): Boots {
  const following = new Map<Mac, Following>()
  /** of boots that were promised and are about to begin */
  const upcoming = new Map<Mac, TraceParent>()

  function takeIds(mac: Mac): TraceParent {
    const ids = upcoming.get(mac) ?? newIds()
    upcoming.delete(mac)
    return ids
  }

  function startOf(mac: Mac, boot: Boot): Following {
    const ids = takeIds(mac)
    return { boot, ids, trace: begin(boot.startedAt, factsOf(mac), ids), error: undefined }
  }

  function parentOf(mac: Mac, client: string): TraceParent | undefined {
    if (!machineByMac(mac)) return undefined
    const known = following.get(mac)
    const event = { at: clock.now(), stage: 'dhcp-discover', facts: { client } } as const
    const { before, boot } = follow(known?.boot, event)
    if (known && !before) return known.ids
    if (!boot) return undefined
    const ids = upcoming.get(mac) ?? newIds()
    upcoming.set(mac, ids)
    const oldest = upcoming.size > most ? upcoming.keys().next().value : undefined
    if (oldest) upcoming.delete(oldest)
    return ids
  }

  function end(mac: Mac, to: number, spans: readonly Span[]): void {
    const one = following.get(mac)
    following.delete(mac)
    if (!one) return
    for (const span of spans) one.trace.add(span)
    one.trace.end(to, one.error)
  }

  const cut = (mac: Mac, { boot }: Following) => end(mac, boot.lastAt, cutOff(boot))

  function seen(mac: Mac, entry: TimelineEntry): void {
    const known = following.get(mac)
    if (entry.stage === 'syslog' || (!known && !machineByMac(mac))) return
    const event = { at: entry.lastAt, stage: entry.stage, facts: entry.facts }
    const { before, boot, spans, endedAt } = follow(known?.boot, event)
    if (before) end(mac, before.to, before.spans)
    if (boot) {
      const one = following.get(mac) ?? startOf(mac, boot)
      for (const span of spans) one.trace.add(span)
      if (entry.stage === 'workflow-ended') one.error = spans.find(({ error }) => error)?.error
      one.boot = boot
      following.set(mac, one)
      const [oldest] = following.size > most ? following : []
      if (oldest) cut(...oldest)
    } else if (endedAt !== undefined) end(mac, endedAt, spans)
  }

  function factsOf(mac: Mac): Facts {
    const machine = machineByMac(mac)
    return { mac, ...(machine && { hardware: `${machine.namespace}/${machine.name}` }) }
  }

  return {
    seen,
    parentOf,
    sweep(now) {
      for (const [mac, one] of following) if (isIdle(one.boot, now)) cut(mac, one)
    },
    endAll() {
      for (const [mac, one] of following) cut(mac, one)
    },
  }
}
