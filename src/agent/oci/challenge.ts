/** How a registry wants to be asked (RFC 9110 §11.6.1). */
export type Challenge = { scheme: string; parameters: Readonly<Record<string, string>> }

const word = /[\w!#$%&'*+.^`|~-]+/y
const parameter = /\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*/y

/** @param header `WWW-Authenticate`, with any number of challenges */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  let at = 0
  const match = (pattern: RegExp) => {
    pattern.lastIndex = at
    const found = pattern.exec(header)
    if (found) at = pattern.lastIndex
    return found
  }
  while (at < header.length) {
    if (/[\s,]/.test(header[at] ?? '')) {
      at++
      continue
    }
    const last = challenges.at(-1)
    const pair = match(parameter)
    if (pair && last) {
      last.parameters = { ...last.parameters, [pair[1]!.toLowerCase()]: pair[3] ?? unquoted(pair[2] ?? '') }
      continue
    }
    const scheme = pair ? undefined : match(word)
    if (!scheme) return challenges
    challenges.push({ scheme: scheme[0].toLowerCase(), parameters: {} })
  }
  return challenges
}

const unquoted = (text: string) => text.replaceAll(/\\(.)/g, '$1')

/** The URL a bearer token is asked for at; `undefined` when the challenge names none (distribution, token spec). */
export function tokenUrl({ parameters }: Challenge, scope: string): string | undefined {
  const { realm = '', service } = parameters
  if (!URL.canParse(realm) || !/^https?:$/.test(new URL(realm).protocol)) return undefined
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  url.searchParams.set('scope', parameters['scope'] ?? scope)
  return url.href
}
