/** A container image's name in its parts: `registry/path/of/image:tag@digest`. */
export type ImageName = {
  /** `docker.io` when the name has none */
  registry: string
  path: string
  tag: string | undefined
  digest: string | undefined
}

const label = '(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)'
const registryPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`)
const pathPattern = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/
const tagPattern = /^\w[\w.-]{0,127}$/
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/
const maxLength = 255
/** name, tag and digest together */
const maxTextLength = 1024

/**
 * Parses the name of an image as Docker does (distribution/reference, normalized names).
 * @returns the reason when it is none
 */
export function parseImageName(text: string): ImageName | string {
  if (text.length > maxTextLength) return 'invalid reference format'
  if (/^[a-f0-9]{64}$/.test(text))
    return `invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`
  const [named = '', digest, ...more] = text.split('@')
  if (more.length > 0 || (digest !== undefined && !digestPattern.test(digest)))
    return 'invalid reference format'
  const [registry, rest] = splitRegistry(named)
  const colon = rest.indexOf(':')
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  if (tag !== undefined && !tagPattern.test(tag)) return 'invalid reference format'
  if (path !== path.toLowerCase())
    return `invalid reference format: repository name (${path}) must be lowercase`
  if (!pathPattern.test(path) || (registry !== undefined && !registryPattern.test(registry)))
    return 'invalid reference format'
  if (path.length + (registry?.length ?? 0) > maxLength) {
    return `repository name must not be more than ${maxLength} characters`
  }
  return { registry: registry ?? 'docker.io', path, tag, digest }
}

/** A first part with a point, a colon or a capital letter, or `localhost`, is a registry. */
function splitRegistry(named: string): [string | undefined, string] {
  const slash = named.indexOf('/')
  const first = named.slice(0, Math.max(slash, 0))
  const isRegistry = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase()
  return slash >= 0 && isRegistry ? [first, named.slice(slash + 1)] : [undefined, named]
}

/** What an action does, by its image: the last part of the path, `image2disk` of `quay.io/x/image2disk:v1`. */
export function lastPart(image: string): string {
  const parsed = parseImageName(image)
  return typeof parsed === 'string' ? '' : (parsed.path.split('/').at(-1) ?? '')
}
