import { lookup } from 'node:dns'
import type { LookupAddress } from 'node:dns'
import { request as requestHttp } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { AppError } from '../model/error.ts'
import { publicUrl } from './upstreams.ts'

export type FetchRequest = {
  url: string
  headers: Record<string, string>
  /** the host that may be anywhere, because the operator named it; others may not be this machine or its link */
  trustedHost: string | undefined
  signal: AbortSignal
}

/** The head of an answer; its body is to be read, or destroyed. */
export type Fetched = IncomingMessage & { statusCode: number }

const maxRedirects = 10
const headTimeoutMs = 30_000
/** An upstream that sends nothing for this long has gone away. */
const stallMs = 60_000

/**
 * GET over HTTP or HTTPS, with up to 10 redirects followed.
 * @throws AppError Unavailable when nobody answers; Forbidden when the way leads to an address that it may not
 */
export async function fetchUpstream(request: FetchRequest): Promise<Fetched> {
  let { url } = request
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    const response = await fetchOne({ ...request, url })
    const { location } = response.headers
    if (![301, 302, 303, 307, 308].includes(response.statusCode) || location === undefined) return response
    response.destroy()
    if (!URL.canParse(location, url))
      throw new AppError('Unavailable', `${publicUrl(url)} redirects to nowhere`)
    url = new URL(location, url).href
  }
  throw new AppError('Unavailable', `${publicUrl(request.url)} redirects more than ${maxRedirects} times`)
}

function fetchOne({ url, headers, trustedHost, signal }: FetchRequest): Promise<Fetched> {
  const target = new URL(url)
  const host = target.hostname.replace(/^\[|\]$/g, '')
  const isFree = target.hostname === trustedHost
  const isWeb = target.protocol === 'http:' || target.protocol === 'https:'
  if (!isWeb || (!isFree && isIP(host) !== 0 && isNear(host))) return Promise.reject(forbidden(url))
  const options: RequestOptions = {
    headers: { 'accept-encoding': 'identity', 'user-agent': 'ironwake', ...headers },
    signal,
    agent: false,
    ...(isFree ? {} : { lookup: guardedLookup(url) }),
  }
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) =>
      reject(
        cause instanceof AppError
          ? cause
          : new AppError('Unavailable', `${publicUrl(url)}: ${cause.message}`, { cause }),
      )
    const request = (target.protocol === 'https:' ? requestHttps : requestHttp)(
      target,
      options,
      (response) => {
        response.setTimeout(stallMs, () => response.destroy(new Error(`no data for ${stallMs / 1000} s`)))
        resolve(response as Fetched)
      },
    )
    const timer = setTimeout(() => request.destroy(new Error('no answer')), headTimeoutMs)
    request.once('response', () => clearTimeout(timer))
    request.once('close', () => clearTimeout(timer))
    request.on('error', failed)
    request.end()
  })
}

const forbidden = (url: string) =>
  new AppError('Forbidden', `${publicUrl(url)} is an address of this machine or its link, which is not asked`)

/** Whether an address is this machine's own or of its link, where services are that trust whoever reaches them. */
function isNear(address: string): boolean {
  const range = ipaddr.process(address).range()
  return ['loopback', 'linkLocal', 'unspecified', 'multicast', 'broadcast'].includes(range)
}

/** Looks at what a name stands for at the moment of the connection: it may stand for something else the next time. */
function guardedLookup(url: string): NonNullable<RequestOptions['lookup']> {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return done(error, '', 0)
      if (addresses.some(({ address }) => isNear(address))) return done(forbidden(url), '', 0)
      if (options.all) return (done as unknown as (e: null, all: LookupAddress[]) => void)(null, addresses)
      const [first] = addresses
      done(null, first!.address, first!.family)
    })
  }
}
