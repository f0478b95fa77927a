import type { Clock } from '../model/clock.ts'
import { createLimiter } from '../model/limiter.ts'
import type { Machine } from '../model/machine.ts'
import type { Logger } from '../log.ts'
import type { Mac } from '../model/mac.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { Answer } from './answer.ts'

type Deps = { log: Logger; clock: Clock; record: RecordStage }

export type Notes = {
  /** Records what was asked and answered, and says what someone must look into, as often as is good. */
  decided(mac: Mac, answer: Answer, machine: Machine | undefined, device: string | undefined): void
  /** Whether this may be said, which a network can cause all the time. */
  maySay(what: string): boolean
  /** the same, for faults of our own */
  mayComplain(what: string): boolean
}

/**
 * What is kept and said of DHCP, bounded whoever sends what: a machine of the inventory is always recorded; of others a
 * few a minute, and more of those that are answered.
 */
export function createNotes({ log, clock, record }: Deps): Notes {
  const strangers = createLimiter({ everyMs: 5000, perMinute: 600, maxKeys: 4096 })
  const news = createLimiter({ everyMs: 600_000, perMinute: 30, maxKeys: 4096 })
  const guests = createLimiter({ everyMs: 1000, perMinute: 600, maxKeys: 4096 })
  const faults = createLimiter({ everyMs: 10_000, perMinute: 30, maxKeys: 256 })
  const troubles = createLimiter({ everyMs: 600_000, perMinute: 60, maxKeys: 4096 })
  const limited = createLimiter({ everyMs: 10_000, perMinute: 60, maxKeys: 4096 })

  function isRecorded(mac: Mac, answer: Answer, machine: Machine | undefined): boolean {
    const { type, client, outcome, message } = answer
    if (outcome === 'rate-limited') return limited.allow(mac, clock.now())
    if (machine) return true
    if (message) return guests.allow(`${mac} ${type}`, clock.now())
    if (!strangers.allow(`${mac} ${outcome}`, clock.now())) return false
    if (outcome === 'unknown-machine' && news.allow(mac, clock.now()))
      log.info({ mac, client }, 'an unknown machine asks for an address')
    return true
  }

  return {
    decided(mac, answer, machine, device) {
      if (!isRecorded(mac, answer, machine)) return
      const traces = answer.traces()
      for (const { stage, facts } of traces) record(mac, stage, facts)
      const trouble = troubleOf(answer)
      if (trouble && troubles.allow(`${mac} ${trouble}`, clock.now()))
        log.warn({ mac, device, ...traces.at(-1)?.facts }, trouble)
    },
    maySay: (what) => troubles.allow(what, clock.now()),
    mayComplain: (what) => faults.allow(what, clock.now()),
  }
}

const troubles: Readonly<Record<string, string>> = {
  declined: 'a machine declines its address: another one uses it',
  'rate-limited': 'a machine sends more than dhcp.clientRate allows: the rest is left unanswered',
  'pool-exhausted': 'the pool has no free address',
}
const offLink = 'a machine asks on a link that its address does not belong to'

/** What someone must look into, once in a while for each machine. */
const troubleOf = (answer: Answer): string | undefined =>
  answer.offLink ? offLink : troubles[answer.outcome]
