import { randomBytes } from 'node:crypto'
import type { Clock } from '../model/clock.ts'
import { AppError } from '../model/error.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import type { SideStore } from '../store/side.ts'
import { createSeal, equalText } from './seal.ts'
import type { Opened, Seal } from './seal.ts'

/** Why an agent is not taken for who it says it is. */
export type Rejection =
  | 'boot-id-missing'
  | 'token-missing'
  | 'token-unknown'
  | 'token-of-another-boot'
  | 'token-of-an-earlier-boot'
  | 'session-unknown'
  | 'session-of-an-earlier-boot'
  | 'machine-unknown'
  | 'agent-id-mismatch'

/** What an agent shows at the start of its session; empty texts are absent ones. */
export type Credentials = { agentId: string; bootId: string; token: string; sessionKey: string }
export type Authenticated = { mac: Mac; sessionKey: string }
/** `mac`: the machine that the credentials were made for, when they are ours */
export type Rejected = { rejected: Rejection; mac: Mac | undefined }

/** Credentials of ours that another boot has used: a copied token, or two machines with one MAC. */
export type IdentityAlarm = { mac: Mac; why: Rejection; agentId: string; bootId: string }

export type IdentityDeps = {
  side: SideStore
  clock: Clock
  machineByMac(mac: Mac): Machine | undefined
  alarm(alarm: IdentityAlarm): void
}

/**
 * What is kept of a machine: `boot` counts exchanged tokens and is the number of the boot to come, or under way, whose
 * token is not exchanged yet; `session` belongs to the boot before it.
 */
type Entry = { boot: number; session: { bootId: string; agentId: string; at: number } }
/** `saved` settles once the entry is on disk */
type Held = { entry: Entry; saved: Promise<void> }

const table = 'bootSession'
const secretKey = 'secret'
const machinePrefix = 'mac/'
const bootIdShape = /^[A-Za-z0-9-]{1,64}$/

/** Its functions stand for themselves and may be handed on one by one. */
export type Identity = {
  /** Reads what is known from disk, and makes the server's secret the first time; the others throw Unavailable before. */
  load(): Promise<void>
  /** the secret part of the script URL of this machine's next boot: 32 hexadecimal digits */
  nonce(mac: Mac): string
  /** the one-time token that belongs to `nonce`; `undefined` when that is not this machine's current one */
  token(mac: Mac, nonce: string): string | undefined
  /** the token of a machine that is in no Hardware; it opens no session by itself */
  strangerToken(mac: Mac): string
  /** the MAC that `token` of an unknown machine was made for */
  strangerMac(token: string): Mac | undefined
  /** the boot in which this machine's token was exchanged last */
  sessionBootId(mac: Mac): string | undefined
  /** @throws AppError Unavailable when the exchange cannot be written to disk; the agent may ask again */
  authenticate(credentials: Credentials): Promise<Authenticated | Rejected>
}

/** Identities of booted machines: docs/architecture.md, "Identity". Holds one small entry per machine that booted. */
export function bootIdentity(deps: IdentityDeps): Identity {
  const boots = new Boots(deps)
  return {
    load: () => boots.load(),
    nonce: (mac) => boots.nonce(mac),
    token: (mac, nonce) => boots.token(mac, nonce),
    strangerToken: (mac) => boots.strangerToken(mac),
    strangerMac: (token) => boots.strangerMac(token),
    sessionBootId: (mac) => boots.sessionBootId(mac),
    authenticate: (credentials) => boots.authenticate(credentials),
  }
}

class Boots {
  readonly #deps: IdentityDeps
  readonly #held = new Map<Mac, Held>()
  #loaded: Seal | undefined

  constructor(deps: IdentityDeps) {
    this.#deps = deps
  }

  async load(): Promise<void> {
    const { side } = this.#deps
    const kept = await side.get(table, secretKey)
    const secret = typeof kept === 'string' ? kept : randomBytes(32).toString('hex')
    if (secret !== kept) await side.put(table, secretKey, secret)
    for (const { key, value } of await side.list(table, machinePrefix, 1_000_000)) {
      const mac = parseMac(key.slice(machinePrefix.length))
      if (mac) this.#held.set(mac, { entry: value as Entry, saved: Promise.resolve() })
    }
    this.#loaded = createSeal(Buffer.from(secret, 'hex'))
  }

  nonce(mac: Mac): string {
    return this.#seal.nonce(mac, this.#bootOf(mac))
  }

  token(mac: Mac, nonce: string): string | undefined {
    return equalText(nonce, this.nonce(mac)) ? this.#seal.token(mac, this.#bootOf(mac)) : undefined
  }

  strangerToken(mac: Mac): string {
    return this.#seal.stranger(mac)
  }

  strangerMac(token: string): Mac | undefined {
    return this.#seal.openStranger(token)
  }

  sessionBootId(mac: Mac): string | undefined {
    return this.#held.get(mac)?.entry.session.bootId
  }

  async authenticate(credentials: Credentials): Promise<Authenticated | Rejected> {
    const { bootId, sessionKey, token } = credentials
    if (!bootIdShape.test(bootId)) return { rejected: 'boot-id-missing', mac: undefined }
    if (!sessionKey && !token) return { rejected: 'token-missing', mac: undefined }
    const opened = sessionKey ? this.#seal.openSession(sessionKey, bootId) : this.#seal.openToken(token)
    if (!opened) return { rejected: sessionKey ? 'session-unknown' : 'token-unknown', mac: undefined }
    const strange = this.#strangeAgent(opened.mac, credentials.agentId)
    if (strange) return { rejected: strange, mac: opened.mac }
    return sessionKey ? this.#bySession(opened, credentials) : this.#byToken(opened, credentials)
  }

  get #seal(): Seal {
    if (!this.#loaded) throw new AppError('Unavailable', 'boot identities are not loaded yet')
    return this.#loaded
  }

  #bootOf(mac: Mac): number {
    return this.#held.get(mac)?.entry.boot ?? 0
  }

  #strangeAgent(mac: Mac, agentId: string): Rejection | undefined {
    const machine = this.#deps.machineByMac(mac)
    if (!machine) return 'machine-unknown'
    const asMac = parseMac(agentId)
    const own = machine.agentId === agentId || (asMac !== undefined && machine.macs.includes(asMac))
    return own ? undefined : 'agent-id-mismatch'
  }

  async #byToken({ mac, boot }: Opened, credentials: Credentials): Promise<Authenticated | Rejected> {
    const current = this.#bootOf(mac)
    if (boot === current) return this.#exchange(mac, credentials)
    // A token ahead of what is known: the server's disk was put back to an earlier state.
    if (boot > current) return { rejected: 'token-unknown', mac }
    if (boot < current - 1) return this.#rejectLoudly('token-of-an-earlier-boot', mac, credentials)
    if (this.#held.get(mac)?.entry.session.bootId !== credentials.bootId)
      return this.#rejectLoudly('token-of-another-boot', mac, credentials)
    return this.#accepted(mac, boot, credentials.bootId)
  }

  async #bySession({ mac, boot }: Opened, credentials: Credentials): Promise<Authenticated | Rejected> {
    const entry = this.#held.get(mac)?.entry
    if (!entry || boot >= entry.boot) return { rejected: 'session-unknown', mac }
    if (boot < entry.boot - 1) return this.#rejectLoudly('session-of-an-earlier-boot', mac, credentials)
    if (entry.session.bootId !== credentials.bootId) return { rejected: 'session-unknown', mac }
    return this.#accepted(mac, boot, credentials.bootId)
  }

  /** From here on, before it is on disk already, no other boot can use the token. */
  async #exchange(mac: Mac, { agentId, bootId }: Credentials): Promise<Authenticated> {
    const before = this.#held.get(mac)
    const boot = this.#bootOf(mac)
    const entry: Entry = { boot: boot + 1, session: { bootId, agentId, at: this.#deps.clock.now() } }
    const saved = this.#deps.side.put(table, machinePrefix + mac, entry).catch((cause: unknown) => {
      if (this.#held.get(mac)?.entry === entry) this.#putBack(mac, before)
      throw new AppError('Unavailable', `boot session of ${mac} could not be written`, { cause })
    })
    this.#held.set(mac, { entry, saved })
    return this.#accepted(mac, boot, bootId)
  }

  #putBack(mac: Mac, before: Held | undefined): void {
    if (before) this.#held.set(mac, before)
    else this.#held.delete(mac)
  }

  async #accepted(mac: Mac, boot: number, bootId: string): Promise<Authenticated> {
    await this.#held.get(mac)?.saved
    return { mac, sessionKey: this.#seal.session(mac, boot, bootId) }
  }

  #rejectLoudly(why: Rejection, mac: Mac, { agentId, bootId }: Credentials): Rejected {
    this.#deps.alarm({ mac, why, agentId, bootId })
    return { rejected: why, mac }
  }
}
