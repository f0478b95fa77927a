import type { Logger } from '../log.ts'
import type { AgentAttributes } from '../model/agent-attributes.ts'
import { attributesAnnotation, tidyAttributes } from '../model/agent-attributes.ts'
import type { Clock } from '../model/clock.ts'
import { isCode, messageOf } from '../model/error.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import { parseMac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { Lookup } from '../store/lookup.ts'
import { modifyObject } from '../store/resource.ts'
import type { Change, Store } from '../store/store.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { DiscoveryConfig } from './config.ts'
import { createDiscover, sayTooLong } from './discover.ts'
import { enroll } from './enroll.ts'
import type { Verdict } from './enroll.ts'
import { attributesText, discoveredFromAnnotation, isDiscovered } from './hardware.ts'
import { createRuleSets } from './rule-sets.ts'

type Credentials = { agentId: string; bootId: string; token: string; sessionKey: string }
type Answer = { mac: Mac; sessionKey: string } | { rejected: string; mac?: Mac | undefined }

/** What discovery asks of boot identities. */
export type StrangerIdentity = {
  authenticate(credentials: Credentials): Promise<Answer>
  nonce(mac: Mac): string
  token(mac: Mac, nonce: string): string | undefined
  /** the MAC that a token of an unknown machine was made for */
  strangerMac(token: string): Mac | undefined
  /** the boot that a session was opened in last */
  sessionBootId(mac: Mac): string | undefined
}

export type DiscoveryDeps = {
  settings: DiscoveryConfig
  store: Store
  lookup: Lookup
  identity: StrangerIdentity
  /** whom the pool has leased an address to */
  holderOf?: ((ip: Ip4) => Mac | undefined) | undefined
  clock: Clock
  newUid(): string
  record: RecordStage
  log: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** An agent without credentials, that is not admitted as the machine of a Hardware. */
export type UnknownAgent = {
  agentId: string
  address: string
  /** as decoded; `undefined` when the call has no place for them */
  attributes: unknown
  /** by what it is told who an agent is */
  admission: 'address' | 'id' | 'off'
}

type Link = { mac: Mac }
/** The side of the engine that agents' sessions call. */
type Engine<L extends Link, H> = { connect(link: L, hello: H): Promise<void>; disconnect(link: L): void }

/** Which machines there are that nobody has entered, and what becomes of them: docs/discovery.md. */
export type Discovery = {
  /**
   * As `identity.authenticate`, which also takes the tokens of unknown machines.
   * @param attributes JSON; '' when the agent says none
   * @throws AppError Unavailable: the agent tries again
   */
  authenticate(credentials: Credentials & { attributes?: string }): Promise<Answer>
  /** @returns the machine, where one is made of it or it is one that was; `undefined`: it stays refused */
  unknown(agent: UnknownAgent): Promise<Machine | undefined>
  /** notes what an agent says of its machine; @param attributes as decoded */
  seen(machine: Machine, attributes: unknown): Promise<void>
  /** why an agent that asks for an action gets none, when that is for want of a rule set */
  whyNone(machine: Machine): string | undefined
  /** the same engine, whose agents are enrolled */
  desk<L extends Link, H, E extends Engine<L, H>>(engine: E & Engine<L, H>): E
  run(signal: AbortSignal): Promise<void>
}

/** One whose agent is connected. `told`: what is not in its annotation */
type Present = { link: Link; verdict: Verdict; told: AgentAttributes | undefined }

const keyOf = ({ namespace, name }: { namespace: string; name: string }) => `${namespace}/${name}`
/** Changes come in bunches, and the lookup follows the same ones. */
const settleMs = 200

export function createDiscovery(deps: DiscoveryDeps): Discovery {
  const { settings, store, lookup, identity, clock, log } = deps
  const discover = createDiscover(deps)
  const ruleSets = createRuleSets(store)
  const present = new Map<string, Present>()
  const told = new Map<string, AgentAttributes>()
  const due = new Set<string>()
  let wake = () => {}

  const judge = async (key: string): Promise<void> => {
    const one = present.get(key)
    const machine = one && lookup.machineByMac(one.link.mac)
    if (!one || !machine || !settings.autoEnrollment) return
    try {
      one.verdict = await enroll({ ...deps, ruleSets }, machine, one.told)
    } catch (error) {
      log.error({ mac: machine.mac, why: messageOf(error) }, 'machine could not be enrolled')
    }
  }

  const annotate = async ({ namespace, name }: Machine, text: string): Promise<void> => {
    const now = lookup.hardware(namespace, name)?.metadata.annotations?.[attributesAnnotation]
    if (now === text) return
    try {
      await modifyObject(store, { kind: 'Hardware', namespace, name }, (hardware) => {
        const annotations = { ...hardware.metadata.annotations, [attributesAnnotation]: text }
        return { ...hardware, metadata: { ...hardware.metadata, annotations } }
      })
    } catch (error) {
      if (!isCode(error, 'NotFound'))
        log.warn({ machine: `${namespace}/${name}`, why: messageOf(error) }, 'attributes could not be stored')
    }
  }

  const seen = async (machine: Machine, attributes: AgentAttributes): Promise<void> => {
    if (Object.keys(attributes).length === 0) return
    const key = keyOf(machine)
    const text = attributesText(attributes)
    const isKept = settings.attributes && text !== undefined
    if (isKept) await annotate(machine, text)
    else if (settings.autoEnrollment) {
      const one = present.get(key)
      if (one) one.told = attributes
      else told.set(key, attributes)
    }
    if (settings.attributes && !isKept) sayTooLong(log, key, attributes)
  }

  /** A token that will be taken, for one that an unknown machine has. */
  const tokenOf = async (
    mac: Mac,
    { agentId, bootId }: Credentials,
    attributes: AgentAttributes,
  ): Promise<{ token: string } | { rejected: string; mac: Mac }> => {
    if (!settings.enabled) return { rejected: 'machine-unknown', mac }
    if (parseMac(agentId) !== mac) return { rejected: 'agent-id-mismatch', mac }
    const machine = lookup.machineByMac(mac)
    const last = identity.sessionBootId(mac)
    const isOurs = machine && isDiscovered(lookup.hardware(machine.namespace, machine.name))
    if (machine && last !== bootId && !(isOurs && last === undefined))
      return { rejected: 'machine-known-by-now', mac }
    if (!machine) {
      const found = await discover({ agentId, mac, attributes })
      if ('refused' in found) return { rejected: found.refused, mac }
    }
    return { token: identity.token(mac, identity.nonce(mac)) ?? '' }
  }

  const unknown = async (agent: UnknownAgent): Promise<Machine | undefined> => {
    const { agentId, address, attributes, admission } = agent
    if (!settings.enabled || admission === 'off') return undefined
    const ip = parseIp4(address.replace(/^::ffff:/, ''))
    const leasedTo = ip && deps.holderOf?.(ip)
    const there = ip && lookup.machineByIp(ip)
    if (there && admission === 'address') return undefined
    const named = lookup.machineByAgent(agentId)
    if (named) {
      const hardware = lookup.hardware(named.namespace, named.name)
      const from = hardware?.metadata.annotations?.[discoveredFromAnnotation]
      const isIt = leasedTo === undefined ? from === address : named.macs.includes(leasedTo)
      return isDiscovered(hardware) && isIt ? named : undefined
    }
    if (attributes === undefined || attributes === null) return undefined
    const stranger = {
      agentId,
      attributes: wireAttributes(attributes),
      ...(admission === 'address' && { leasedTo }),
    }
    const found = await discover(stranger, admission === 'address' ? address : undefined)
    return 'machine' in found ? found.machine : undefined
  }

  const onChange = (change: Change) => {
    const { autoEnrollment } = settings
    if (!autoEnrollment || present.size === 0) return
    if (change.type === 'synced' || change.object.kind === 'WorkflowRuleSet')
      for (const key of present.keys()) due.add(key)
    else if (change.object.kind === 'Hardware') {
      const key = keyOf(change.object.metadata)
      if (present.has(key)) due.add(key)
    } else if (change.type === 'delete' && change.object.kind === 'Workflow')
      for (const key of present.keys()) due.add(key)
    if (due.size > 0) wake()
  }

  const judgeWhatIsDue = async (signal: AbortSignal) => {
    signal.addEventListener('abort', () => wake(), { once: true })
    while (!signal.aborted) {
      await new Promise<void>((resolve) => {
        wake = resolve
        if (due.size > 0 || signal.aborted) resolve()
      })
      await clock.sleep(settleMs, signal)
      const keys = [...due]
      due.clear()
      for (const key of keys) if (!signal.aborted) await judge(key)
    }
  }

  return {
    authenticate: async ({ attributes: text = '', ...credentials }) => {
      const attributes = attributesIn(text)
      const mac = credentials.sessionKey === '' ? identity.strangerMac(credentials.token) : undefined
      const exchanged = mac && (await tokenOf(mac, credentials, attributes))
      if (exchanged && 'rejected' in exchanged) return exchanged
      const answer = await identity.authenticate({ ...credentials, ...exchanged })
      const machine = 'rejected' in answer ? undefined : lookup.machineByMac(answer.mac)
      if (machine) await seen(machine, attributes)
      return answer
    },
    unknown,
    seen: (machine, attributes) => seen(machine, wireAttributes(attributes)),
    whyNone: (machine) =>
      present.get(keyOf(machine))?.verdict === 'none'
        ? `no Workflow Rule Sets found or matched for Agent ${machine.agentId}`
        : undefined,
    desk: (engine) => ({
      ...engine,
      connect: async (link, hello) => {
        await engine.connect(link, hello)
        const machine = lookup.machineByMac(link.mac)
        if (!machine) return
        const key = keyOf(machine)
        present.set(key, { link, verdict: 'not', told: told.get(key) ?? present.get(key)?.told })
        told.delete(key)
        await judge(key)
      },
      disconnect: (link) => {
        engine.disconnect(link)
        for (const [key, one] of present) if (one.link === link) present.delete(key)
      },
    }),
    run: async (signal) => {
      await Promise.all([ruleSets.run(onChange, signal), judgeWhatIsDue(signal)])
    },
  }
}

function attributesIn(text: string): AgentAttributes {
  try {
    return text === '' ? {} : tidyAttributes(JSON.parse(text))
  } catch {
    return {}
  }
}

/** As Tinkerbell's agents send them: lists have other names than in JSON. */
function wireAttributes(told: unknown): AgentAttributes {
  if (typeof told !== 'object' || told === null) return {}
  const { block, network, pci, gpu, ...rest } = told as Record<string, unknown>
  return tidyAttributes({
    ...rest,
    blockDevices: block,
    networkInterfaces: network,
    pciDevices: pci,
    gpuDevices: gpu,
  })
}
