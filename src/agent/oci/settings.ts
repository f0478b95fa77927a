/** What is known of a registry besides its name. */
export type RegistrySettings = {
  /** host, with the port where it is part of the images' names */
  host: string
  username?: string
  password?: string
  /** PEM certificates that its HTTPS may be signed by */
  ca?: string
  /** plain HTTP will do, and so will any certificate */
  insecure?: boolean
}

/**
 * Registries as HookOS takes them from the kernel command line: `docker_registry=` with `registry_username=` and
 * `registry_password=`, and `insecure_registries=` with commas.
 */
export function registriesOfCommandLine(words: Readonly<Record<string, string>>): RegistrySettings[] {
  const { docker_registry: own = '', registry_username: username, registry_password: password } = words
  const host = own.replace(/^https?:\/\//, '').split('/')[0] ?? ''
  const insecure = (words['insecure_registries'] ?? '').split(',').filter(Boolean)
  const named = host ? [{ host, ...(username && { username }), ...(password && { password }) }] : []
  return merged([...named, ...insecure.map((name) => ({ host: name, insecure: true }))])
}

/**
 * @param value a list of RegistrySettings as JSON; `undefined` counts as empty
 * @returns the reason when it is none
 */
export function parseRegistries(value: unknown): RegistrySettings[] | string {
  const entries: unknown = value ?? []
  if (!Array.isArray(entries)) return 'a list expected'
  const registries: RegistrySettings[] = []
  for (const entry of entries as unknown[]) {
    const read = parseEntry(entry)
    if (typeof read === 'string') return `entry ${registries.length + 1}: ${read}`
    registries.push(read)
  }
  return registries
}

function parseEntry(entry: unknown): RegistrySettings | string {
  const found = typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : {}
  const given = Object.entries(found).filter(([, value]) => value !== undefined)
  const wrong = given.find(([key, value]) => typeof value !== (key === 'insecure' ? 'boolean' : 'string'))
  if (wrong)
    return `${wrong[0]} is ${JSON.stringify(wrong[1])}: ${wrong[0] === 'insecure' ? 'true or false' : 'text'} expected`
  return found['host'] ? (Object.fromEntries(given) as RegistrySettings) : 'host: a name expected'
}

function merged(entries: readonly RegistrySettings[]): RegistrySettings[] {
  const byHost = new Map<string, RegistrySettings>()
  for (const entry of entries) byHost.set(entry.host, { ...byHost.get(entry.host), ...entry })
  return [...byHost.values()]
}

/** The settings of one registry; one on this machine itself may speak plain HTTP. */
export function settingsOf(host: string, known: readonly RegistrySettings[]): RegistrySettings {
  const isLocal = /^(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?$/.test(host)
  const aliases = host === 'registry-1.docker.io' ? [host, 'docker.io'] : [host]
  const found = known.filter((entry) => aliases.includes(entry.host))
  return Object.assign({ host }, isLocal && { insecure: true }, ...found, { host }) as RegistrySettings
}
