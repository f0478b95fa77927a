/** What a machine is told of a registry that it pulls images of actions from (`registries` of its boot identity). */
export type BootRegistry = {
  /** host, with the port where it is part of the images' names */
  host: string
  username?: string
  password?: string
  /** PEM certificates that its HTTPS may be signed by */
  ca?: string
  /** plain HTTP will do, and so will any certificate */
  insecure?: boolean
}

const wrong = 'expected https://host[:port], http://host[:port] or https://user:password@host[:port]'

/**
 * @param text a URL without a path: its scheme says whether plain HTTP will do, its user and password are a login
 * @param ca PEM certificates for those with https; '' for none
 * @returns a text that says what is wrong with it, and holds no password
 */
export function parseRegistry(text: string, ca = ''): BootRegistry | string {
  const [, protocol, account, host = ''] =
    /^(https?):\/\/(?:([^@/]*)@)?([^@/?#]+)\/?$/.exec(text.trim()) ?? []
  if (!URL.canParse(`https://${host}`) || !/^[A-Za-z0-9[][A-Za-z0-9.:[\]-]*$/.test(host)) return wrong
  const colon = account?.indexOf(':') ?? -1
  if (account !== undefined && colon < 1) return `${host}: ${wrong}`
  const login = account === undefined ? undefined : decoded(account.slice(0, colon), account.slice(colon + 1))
  if (account !== undefined && !login) return `${host}: a % in user or password is written %25`
  return { host, ...login, ...(protocol === 'http' ? { insecure: true } : ca && { ca }) }
}

function decoded(...[username, password]: [string, string]) {
  try {
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) }
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

/** What is wrong with the setting. */
export function registryFaults(texts: readonly string[]): string[] {
  const parsed = texts.map((text) => parseRegistry(text))
  const hosts = parsed.flatMap((registry) => (typeof registry === 'string' ? [] : registry.host))
  const twice = hosts.filter((host, index) => hosts.indexOf(host) !== index)
  return [
    ...parsed.filter((registry) => typeof registry === 'string'),
    ...twice.map((host) => `${host}: named twice`),
  ]
}
