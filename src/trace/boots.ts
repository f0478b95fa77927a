import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
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
  /** begins the trace of a boot */
  begin(at: number, facts: Facts): BootTrace
}

/** boots that are followed at once; the oldest are cut off */
const most = 5000

export type Boots = {
  seen(mac: Mac, entry: TimelineEntry): void
  /** ends what nothing is expected of any more */
  sweep(now: number): void
  endAll(): void
}

type Following = { boot: Boot; trace: BootTrace; error: string | undefined }

/** Makes a trace of every boot of every machine of the inventory. */
export function createBoots({ machineByMac, begin }: Deps): Boots {
  const following = new Map<Mac, Following>()

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
      const one = following.get(mac) ?? { boot, trace: begin(boot.startedAt, factsOf(mac)), error: undefined }
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
    sweep(now) {
      for (const [mac, one] of following) if (isIdle(one.boot, now)) cut(mac, one)
    },
    endAll() {
      for (const [mac, one] of following) cut(mac, one)
    },
  }
}
