/** Where an image is: `registry/repository:tag` or `registry/repository@digest`. */
export type Reference = {
  /** host, with a port where one is given */
  registry: string
  repository: string
  /** a tag, or a digest; the digest where both are given */
  version: string
}

const repositoryPattern =
  /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/
const tagPattern = /^\w[\w.-]{0,127}$/
const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/
const registryPattern = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/

/**
 * Reads the name of an image as Docker does: without a registry it is Docker Hub's, without a tag `latest`.
 * @throws Error saying what is wrong with it
 */
export function parseReference(text: string): Reference {
  const [named = '', digest, ...more] = text.replace(/^(?:docker|oci):\/\//, '').split('@')
  const slash = named.indexOf('/')
  const first = named.slice(0, Math.max(slash, 0))
  const hasRegistry = /[.:]/.test(first) || first === 'localhost'
  const rest = hasRegistry ? named.slice(slash + 1) : named
  const colon = rest.lastIndexOf(':')
  const repository = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? 'latest' : rest.slice(colon + 1)
  const wrong = (what: string) => new Error(`image "${text}": ${what}`)
  if (hasRegistry && !registryPattern.test(first)) throw wrong(`"${first}" is no registry`)
  if (!repositoryPattern.test(repository))
    throw wrong(`"${repository}" is no name of a repository (small letters, digits, . _ - /)`)
  if (!tagPattern.test(tag)) throw wrong(`"${tag}" is no tag`)
  if (more.length || (digest !== undefined && !digestPattern.test(digest)))
    throw wrong(`"${[digest, ...more].join('@')}" is no digest: sha256:<64 hexadecimal digits> expected`)
  return { ...location(hasRegistry ? first : 'docker.io', repository), version: digest ?? tag }
}

/** Docker Hub answers under another name than it is called by, and keeps its own images in `library`. */
function location(registry: string, repository: string): Omit<Reference, 'version'> {
  if (registry !== 'docker.io' && registry !== 'index.docker.io') return { registry, repository }
  return {
    registry: 'registry-1.docker.io',
    repository: repository.includes('/') ? repository : `library/${repository}`,
  }
}

/** The reference as text, as it is asked for. */
export function written({ registry, repository, version }: Reference): string {
  return `${registry}/${repository}${version.includes(':') ? '@' : ':'}${version}`
}

/** Whether the version is a digest. */
export const isDigest = (version: string) => digestPattern.test(version)
