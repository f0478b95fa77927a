import type { Clock } from '../../model/clock.ts'
import { get, Refused } from '../image/http.ts'
import type { HttpDeps } from '../image/http.ts'
import { parseChallenges, tokenUrl } from './challenge.ts'
import type { Challenge } from './challenge.ts'
import { readJson } from './manifest.ts'
import type { RegistrySettings } from './settings.ts'

type Token = { text: string; goodUntil: number }

/** How long a token is good for that does not say so, in seconds (distribution, token spec). */
const usualSeconds = 60
const longestAnswer = 1 << 20

/** Says to a registry who is asking: nobody, by name and password, or by a token it has from elsewhere. */
export class Login {
  readonly #settings: RegistrySettings
  readonly #scope: string
  readonly #http: HttpDeps
  readonly #clock: Clock
  #challenge: Challenge | undefined
  #token: Token | undefined

  /** @param scope what a token is to be good for, as `repository:NAME:pull` */
  constructor(settings: RegistrySettings, scope: string, http: HttpDeps, clock: Clock) {
    this.#settings = settings
    this.#scope = scope
    this.#http = http
    this.#clock = clock
  }

  /** Headers for a request; a token that has run out is replaced. */
  async headers(): Promise<Record<string, string>> {
    if (this.#challenge?.scheme === 'basic') return { authorization: this.#basic()! }
    if (this.#challenge?.scheme !== 'bearer') return {}
    if (!this.#token || this.#clock.now() >= this.#token.goodUntil) this.#token = await this.#newToken()
    return { authorization: `Bearer ${this.#token.text}` }
  }

  /** Takes a challenge. @returns whether it makes sense to ask again */
  async answer(header: string | undefined): Promise<boolean> {
    if (this.#challenge) return false
    const usable = parseChallenges(header ?? '').filter(
      ({ scheme }) => scheme === 'bearer' || (scheme === 'basic' && this.#basic() !== undefined),
    )
    this.#challenge = usable.find(({ scheme }) => scheme === 'bearer') ?? usable[0]
    return this.#challenge !== undefined
  }

  /** Why a registry does not let us in. */
  refusal(status: number): string {
    const { username, host } = this.#settings
    const who = username ? `user "${username}"` : 'without a user name'
    const hint = username ? 'a wrong password, or no right to this image' : `one for ${host} may be needed`
    return `the registry refused access ${who} (${status}): ${hint}`
  }

  #basic(): string | undefined {
    const { username, password = '' } = this.#settings
    return username && `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }

  async #newToken(): Promise<Token> {
    const url = this.#challenge && tokenUrl(this.#challenge, this.#scope)
    if (url === undefined)
      throw new Refused(`${this.#settings.host}: it asks for a token and does not say where to get it`)
    const basic = this.#basic()
    const response = await get(url, basic ? { authorization: basic } : {}, this.#http)
    if (response.statusCode !== 200) {
      response.destroy()
      throw new Refused(`${new URL(url).origin}: ${this.refusal(response.statusCode ?? 0)}`)
    }
    let body = ''
    for await (const part of response as AsyncIterable<Buffer>) {
      body += part.toString()
      if (body.length > longestAnswer)
        throw new Refused(`${new URL(url).origin}: the answer with the token is too long`)
    }
    const json = readJson(Buffer.from(body), `${new URL(url).origin}: the answer with the token`)
    const text = json['token'] ?? json['access_token']
    if (typeof text !== 'string' || !text) throw new Refused(`${new URL(url).origin}: no token in its answer`)
    const seconds = Math.max(usualSeconds, Number(json['expires_in'] ?? usualSeconds) || usualSeconds)
    return { text, goodUntil: this.#clock.now() + (seconds - 10) * 1000 }
  }
}
