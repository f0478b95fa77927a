/** A mount as the OCI runtime takes it (runtime-spec, config.md §Mounts). */
export type Mount = { destination: string; type: string; source: string; options: string[] }

const propagations = [
  'shared',
  'rshared',
  'slave',
  'rslave',
  'private',
  'rprivate',
  'unbindable',
  'runbindable',
]
/** Words of Docker and Podman that mean nothing here. */
const meaningless = ['z', 'Z', 'nocopy', 'consistent', 'cached', 'delegated', 'rbind']

/**
 * Parses a volume as Docker writes it: `SOURCE:DESTINATION[:OPTIONS]`, both absolute paths; `PATH` alone is both.
 * @throws Error naming the volume
 */
export function parseVolume(text: string): Mount {
  const [source = '', destination = source, words = '', ...more] = text.split(':')
  const wrong = (what: string) => new Error(`volume "${text}": ${what}; SOURCE:DESTINATION[:ro] expected`)
  if (more.length) throw wrong('too many colons')
  for (const path of [source, destination])
    if (!path.startsWith('/') || path.split('/').includes('..')) throw wrong(`"${path}" is no absolute path`)
  if (/^\/+$/.test(destination)) throw wrong('the destination is the root folder')
  const options = words.split(',').filter(Boolean)
  const strange = options.find(
    (word) => !['ro', 'rw', 'bind', ...propagations, ...meaningless].includes(word),
  )
  if (strange !== undefined) throw wrong(`"${strange}" is no option`)
  return {
    destination: plain(destination),
    type: 'bind',
    source: plain(source),
    options: [
      'rbind',
      options.includes('ro') ? 'ro' : 'rw',
      ...options.filter((word) => propagations.includes(word)),
    ],
  }
}

const plain = (path: string) =>
  `/${path
    .split('/')
    .filter((part) => part && part !== '.')
    .join('/')}`
