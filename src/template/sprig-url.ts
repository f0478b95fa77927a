import { fn } from './func.ts'
import type { FuncTable } from './func.ts'
import { TemplateError } from './limits.ts'
import { bytesOf, textOfBytes, typeName } from './value.ts'
import type { Value, ValueMap } from './value.ts'

/** Sprig's functions on URLs (RFC 3986, as Go's net/url reads and writes them). */
export const urlFunctions: FuncTable = {
  urlParse: fn(['string'], parsed),
  urlJoin: fn(['map'], joined),
}

function refuse(text: string, why: string): never {
  throw new TemplateError(`unable to parse url: parse ${JSON.stringify(text)}: ${why}`)
}

/** scheme, host, hostname, path, query, opaque, fragment and userinfo; '' for what is not there. */
function parsed(text: string): ValueMap {
  if (/[\0-\x1f\x7f]/.test(text)) refuse(text, 'invalid control character in URL')
  const hash = text.indexOf('#')
  const whole = hash < 0 ? text : text.slice(0, hash)
  const fragment = hash < 0 ? '' : decoded(text, text.slice(hash + 1))
  const { scheme, rest: afterScheme } = schemeOf(text, whole)
  const question = afterScheme.indexOf('?')
  const query = question < 0 ? '' : afterScheme.slice(question + 1)
  const rest = question < 0 ? afterScheme : afterScheme.slice(0, question)
  const url = { scheme, host: '', hostname: '', path: '', query, opaque: '', fragment, userinfo: '' }
  if (!rest.startsWith('/') && scheme !== '') return new Map(Object.entries({ ...url, opaque: rest }))
  if (!rest.startsWith('/') && /^[^/]*:/.test(rest))
    refuse(text, 'first path segment in URL cannot contain colon')
  const hasAuthority = rest.startsWith('//') && (scheme !== '' || !rest.startsWith('///'))
  const slash = hasAuthority ? rest.indexOf('/', 2) : 0
  const authority = hasAuthority ? rest.slice(2, slash < 0 ? rest.length : slash) : ''
  const path = hasAuthority ? (slash < 0 ? '' : rest.slice(slash)) : rest
  return new Map(Object.entries({ ...url, path: decoded(text, path), ...authorityOf(text, authority) }))
}

function schemeOf(text: string, whole: string): { scheme: string; rest: string } {
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(whole)
  if (match) return { scheme: (match[1] ?? '').toLowerCase(), rest: whole.slice(match[0].length) }
  if (whole.startsWith(':')) refuse(text, 'missing protocol scheme')
  return { scheme: '', rest: whole }
}

function authorityOf(text: string, authority: string) {
  const at = authority.lastIndexOf('@')
  const host = authority.slice(at + 1)
  const userinfo = at < 0 ? '' : encodedUser(text, authority.slice(0, at))
  const port = /:([^:\]]*)$/.exec(host)
  if (host.startsWith('[') && !host.includes(']')) refuse(text, "missing ']' in host")
  if (port && !/^\d*$/.test(port[1] ?? '')) refuse(text, `invalid port ${JSON.stringify(port[0])} after host`)
  if (/[ <>"\\^`{|}]/.test(host)) refuse(text, `invalid character in host name`)
  const name = port ? host.slice(0, -port[0].length) : host
  return { host, hostname: name.replace(/^\[(.*)\]$/, '$1'), userinfo }
}

function encodedUser(text: string, userinfo: string): string {
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(userinfo)) refuse(text, 'net/url: invalid userinfo')
  const colon = userinfo.indexOf(':')
  const parts = colon < 0 ? [userinfo] : [userinfo.slice(0, colon), userinfo.slice(colon + 1)]
  return parts.map((part) => encoded(decoded(text, part), /[A-Za-z0-9\-_.~$&+,;=]/)).join(':')
}

/** Percent-decoded UTF-8. */
function decoded(url: string, text: string): string {
  const bad = /%(?![0-9a-fA-F]{2}).{0,2}/.exec(text)
  if (bad) refuse(url, `invalid URL escape ${JSON.stringify(bad[0])}`)
  const bytes = bytesOf(text)
  const out: number[] = []
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== 0x25) out.push(bytes[at] ?? 0)
    else {
      out.push(Number.parseInt(String.fromCharCode(bytes[at + 1] ?? 0, bytes[at + 2] ?? 0), 16))
      at += 2
    }
  }
  return textOfBytes(Uint8Array.from(out))
}

function encoded(text: string, kept: RegExp): string {
  const write = (byte: number) => {
    const char = String.fromCharCode(byte)
    return byte < 0x80 && kept.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return Array.from(bytesOf(text), write).join('')
}

const keptInPath = /[A-Za-z0-9\-_.~$&+,/:;=@!'()*[\]]/
const keptInFragment = /[A-Za-z0-9\-_.~$&+,/:;=?@!'()*[\]]/

function joined(parts: ValueMap): string {
  const part = (name: string) => textPart(parts, name)
  const [scheme, host, path, query] = [part('scheme'), part('host'), part('path'), part('query')]
  const [opaque, fragment, userinfo] = [part('opaque'), part('fragment'), part('userinfo')]
  const end = (query === '' ? '' : `?${query}`) + hashOf(fragment)
  const start = scheme === '' ? '' : `${scheme}:`
  if (opaque !== '') return start + opaque + end
  const user = userinfo === '' ? '' : `${encodedUser(userinfo, userinfo)}@`
  const hasHost = host !== '' || userinfo !== ''
  const slashes = hasHost || (scheme !== '' && path !== '') ? '//' : ''
  const written = encoded(path, keptInPath)
  const slash = written !== '' && !written.startsWith('/') && host !== '' ? '/' : ''
  const dot = start === '' && slashes === '' && /^[^/]*:/.test(written) ? './' : ''
  const hostText = encoded(host, /[A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"]/)
  return start + slashes + user + hostText + slash + dot + written + end
}

const hashOf = (fragment: string) => (fragment === '' ? '' : `#${encoded(fragment, keptInFragment)}`)

function textPart(parts: ValueMap, name: string): string {
  const value: Value = parts.get(name) ?? ''
  if (typeof value === 'string') return value
  throw new TemplateError(`unable to parse ${name} key, must be of type string, but ${typeName(value)} found`)
}
