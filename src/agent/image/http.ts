import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { rootCertificates } from 'node:tls'

export type HttpDeps = {
  signal: AbortSignal
  /** PEM certificates that are trusted besides the well-known ones */
  trusted: readonly string[]
  /** whether any certificate will do */
  unverified?: boolean
  /** how long an open connection may stay silent */
  silenceMs: number
}

/** A failure that another try will not mend. */
export class Refused extends Error {}

const redirectsAllowed = 10

function withoutSecret(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'),
  )
}

/**
 * Asks for a URL and follows redirects; never from HTTPS to plain HTTP. Another server than the first one is not told the
 * `authorization`.
 * @returns the answer, whatever its status, but for those that another try may mend
 * @throws Refused; Error for 408, 429 and 5xx, and when there is no answer
 */
export async function get(
  url: string,
  headers: Readonly<Record<string, string>>,
  deps: HttpDeps,
): Promise<IncomingMessage> {
  let next = new URL(url)
  for (let hop = 0; hop <= redirectsAllowed; hop++) {
    const response = await send(
      next,
      next.origin === new URL(url).origin ? headers : withoutSecret(headers),
      deps,
    )
    const { statusCode = 0, headers: answer } = response
    if (statusCode >= 300 && statusCode < 400 && answer.location !== undefined) {
      response.destroy()
      next = redirected(next, answer.location)
      continue
    }
    if (statusCode === 408 || statusCode === 429 || statusCode >= 500) {
      response.destroy()
      throw new Error(`answered ${statusCode} ${response.statusMessage ?? ''}`.trim())
    }
    return response
  }
  throw new Refused(`${url}: more than ${redirectsAllowed} redirects`)
}

function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined
  if (!to || !/^https?:$/.test(to.protocol)) throw new Refused(`${from.href}: redirected to "${location}"`)
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new Refused(`${from.href}: redirected from HTTPS to plain HTTP (${to.href})`)
  }
  return to
}

function send(url: URL, headers: Readonly<Record<string, string>>, deps: HttpDeps): Promise<IncomingMessage> {
  const options = {
    agent: false,
    signal: deps.signal,
    headers: { 'accept-encoding': 'identity', 'user-agent': 'ironwake-agent', ...headers },
  }
  const trust = { ca: [...rootCertificates, ...deps.trusted], rejectUnauthorized: !deps.unverified }
  return new Promise((resolve, reject) => {
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, ...trust }, resolve)
        : httpRequest(url, options, resolve)
    request.setTimeout(deps.silenceMs, () =>
      request.destroy(new Error(`silent for ${deps.silenceMs / 1000} s`)),
    )
    request.on('error', (error) => reject(lasting(url, error)))
    request.end()
  })
}

/** A certificate that is not trusted is not trusted the next time either. */
function lasting(url: URL, error: Error): Error {
  const code = 'code' in error ? String(error.code) : ''
  if (/CERT|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/.test(code))
    return new Refused(`${url.origin}: its certificate is not trusted: ${error.message} (${code})`, {
      cause: error,
    })
  if (code === 'EPROTO' && /wrong version number|packet length too long|http request/i.test(error.message))
    return new Refused(`${url.origin}: it does not speak HTTPS there, but probably plain HTTP`, {
      cause: error,
    })
  return error
}
