import type { Logger } from '../log.ts'
import type { AgentAttributes } from '../model/agent-attributes.ts'
import type { Clock } from '../model/clock.ts'
import { AppError, isCode } from '../model/error.ts'
import { createLimiter } from '../model/limiter.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { Lookup } from '../store/lookup.ts'
import { createObject } from '../store/resource.ts'
import type { Store } from '../store/store.ts'
import type { RecordStage } from '../timeline/stage.ts'
import { whyNotDiscovered } from './admit.ts'
import type { Stranger } from './admit.ts'
import type { DiscoveryConfig } from './config.ts'
import { attributesText, bytesOf, discoveredHardware, macsOf } from './hardware.ts'

export type DiscoverDeps = {
  store: Store
  lookup: Pick<Lookup, 'machineByMac' | 'listed' | 'ready'>
  settings: DiscoveryConfig
  clock: Clock
  newUid(): string
  record: RecordStage
  log: Pick<Logger, 'info' | 'warn'>
}

/**
 * @param stranger an agent that no Hardware is known for
 * @param from address of one without credentials, which can make one Hardware a minute
 * @throws AppError Unavailable: it may try again
 */
export type Discover = (
  stranger: Stranger,
  from?: string,
) => Promise<{ machine: Machine } | { refused: string }>

/** Agents that wait for their turn; more are told to try again. */
const mostWaiting = 1000
const sameSourceMs = 60_000
const [lookMs, mostLooks] = [20, 250]

/** Makes Hardware of unknown machines, one after the other, so that no two of them get the same MAC. */
export function createDiscover(deps: DiscoverDeps): Discover {
  const { store, lookup, settings, clock, record, log } = deps
  const { namespace, maxMachines, perMinute, autoEnrollment } = settings
  const limiter = createLimiter({ everyMs: sameSourceMs, perMinute, maxKeys: 10_000 })
  let turn: Promise<unknown> = Promise.resolve()
  let waiting = 0

  const tell = (stranger: Stranger, refused: string) => {
    const { agentId, mac } = stranger
    if (mac) record(mac, 'agent-rejected', { why: refused })
    log.warn({ agent: agentId.slice(0, 64), why: refused }, 'unknown machine not discovered')
    return refused
  }
  const known = async (mac: Mac): Promise<Machine> => {
    for (let look = 0; look < mostLooks; look++) {
      const machine = lookup.machineByMac(mac)
      if (machine) return machine
      await clock.sleep(lookMs, new AbortController().signal)
    }
    throw new AppError('Unavailable', `Hardware of ${mac} is made and not yet known`)
  }
  const discover = async (stranger: Stranger, from: string | undefined) => {
    if (!lookup.ready()) throw new AppError('Unavailable', 'the server is starting')
    const names = new Set<string>()
    let discovered = 0
    for (const { namespace: where, name } of lookup.listed()) {
      if (where !== namespace || !name.startsWith('discovery-')) continue
      names.add(name)
      discovered += 1
    }
    const hasHardware = (name: string) => names.has(name)
    const facts = { machineByMac: lookup.machineByMac, hasHardware, discovered, mostDiscovered: maxMachines }
    const not = whyNotDiscovered(stranger, facts)
    if (not && !not.later) return { refused: tell(stranger, not.refused) }
    if (not) throw new AppError('Unavailable', tell(stranger, not.refused))
    if (!limiter.allow(from ?? stranger.agentId, clock.now()))
      throw new AppError('Unavailable', 'too many machines are discovered in this minute')
    return { machine: await create(stranger, from) }
  }
  const create = async (stranger: Stranger, from: string | undefined): Promise<Machine> => {
    const { agentId, attributes, mac } = stranger
    const made = discoveredHardware({
      agentId,
      attributes,
      mac,
      namespace,
      enrollmentEnabled: autoEnrollment,
      ...(from === undefined ? {} : { from }),
    })
    const [first] = macsOf(stranger)
    try {
      await createObject(store, made, deps)
    } catch (error) {
      if (!isCode(error, 'AlreadyExists')) throw error
      throw new AppError('Unavailable', `Hardware ${made.metadata.name} has just been made`, { cause: error })
    }
    const hardware = `${namespace}/${made.metadata.name}`
    record(first!, 'discovered', { hardware, agent: agentId, ...(from === undefined ? {} : { ip: from }) })
    log.info({ mac: first, machine: hardware }, 'machine discovered')
    sayTooLong(log, hardware, attributes)
    return known(first!)
  }
  return async (stranger, from) => {
    if (waiting >= mostWaiting) throw new AppError('Unavailable', 'too many unknown machines call')
    waiting += 1
    const mine = turn.then(() => discover(stranger, from))
    turn = mine.catch(() => undefined)
    return mine.finally(() => (waiting -= 1))
  }
}

/** Says that attributes are not annotated. */
export function sayTooLong(log: Pick<Logger, 'warn'>, hardware: string, attributes: AgentAttributes): void {
  const isEmpty = Object.keys(attributes).length === 0
  if (isEmpty || attributesText(attributes) !== undefined) return
  const bytes = bytesOf(JSON.stringify(attributes))
  log.warn({ machine: hardware, bytes }, 'attributes of the agent are not stored: more than 64 KiB')
}
