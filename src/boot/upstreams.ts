import { decodePath, rootFile } from './files.ts'

/** A place that images are pulled from: one file, or with a slash at the end of its URL a folder of them. */
export type Upstream = { name: string; url: string }

/**
 * @param text `name=URL`, as in the setting
 * @returns a text that says what is wrong with it
 */
export function parseUpstream(text: string): Upstream | string {
  const [, name = '', url = ''] = /^([^=]*)=(.*)$/s.exec(text.trim()) ?? []
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name))
    return 'expected name=URL, with a name of letters, digits and ._-'
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    return `${name}: not an http or https URL`
  const { search, hash, pathname } = new URL(url)
  if (hash || (search && pathname.endsWith('/'))) return `${name}: a folder's URL has no ? and no #`
  return { name, url: new URL(url).href }
}

/**
 * What `/images/cache/<path>` stands for. Only what is at or below the URL of an upstream can come out.
 * @param path decoded; its first part is the name of an upstream
 */
export function upstreamUrl(upstreams: readonly Upstream[], path: string): string | undefined {
  const [first = ''] = path.split('/')
  const upstream = upstreams.find(({ name }) => name === first)
  if (!upstream) return undefined
  if (path === first) return upstream.url.endsWith('/') ? undefined : upstream.url
  const rest = rootFile('image', path.slice(first.length + 1))?.path
  if (rest === undefined || !upstream.url.endsWith('/')) return undefined
  return upstream.url + rest.split('/').map(encodeURIComponent).join('/')
}

/**
 * The other way round: below `/images/cache/`, what stands for `url`.
 * @returns `undefined` when it is of no upstream
 */
export function upstreamPath(upstreams: readonly Upstream[], url: string): string | undefined {
  for (const { name, url: base } of upstreams) {
    if (url === base && !base.endsWith('/')) return name
    const rest = base.endsWith('/') && url.startsWith(base) ? decodePath(url.slice(base.length)) : undefined
    if (rest) return `${name}/${rest}`
  }
  return undefined
}

/** `url` for logs, without a password or what follows a `?`, which may be one. */
export function publicUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}
