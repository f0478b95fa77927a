import type { Hardware } from '../model/hardware.ts'
import type { Machine } from '../model/machine.ts'

/** A directory of the metadata tree: values and further directories by name. */
export type Tree = { readonly [name: string]: string | Tree }

/** Version of EC2's metadata that is served; `latest` is the same. */
export const metadataVersion = '2009-04-04'

export type TreeRequest = {
  machine: Machine
  hardware: Hardware
  /** `undefined` when there is none, or this machine may not have it now */
  userData: string | undefined
}

/** Everything that a machine may read, in EC2's layout: `<version>/meta-data/…`, `user-data` and `vendor-data`. */
export function metadataTree({ machine, hardware, userData }: TreeRequest): Tree {
  const vendorData = hardware.spec?.vendorData
  const version = {
    'meta-data': metaData(machine, hardware),
    ...(userData === undefined ? {} : { 'user-data': userData }),
    ...(vendorData === undefined ? {} : { 'vendor-data': vendorData }),
  }
  return { [metadataVersion]: version, latest: version }
}

/** EC2's `meta-data`. What is not known is empty. */
export function metaData(machine: Machine, hardware: Hardware): Tree {
  const metadata = hardware.spec?.metadata
  const instance = metadata?.instance
  const system = instance?.operating_system
  const hostname = instance?.hostname || machine.hostname || ''
  const ips = instance?.ips ?? []
  const ip4 = ips.filter((ip) => ip.family === 4)
  const address = (found: (typeof ips)[number] | undefined) => found?.address ?? ''
  return {
    'instance-id': instance?.id || machine.mac,
    hostname,
    'local-hostname': hostname,
    iqn: '',
    plan: metadata?.facility?.plan_slug ?? '',
    facility: metadata?.facility?.facility_code ?? '',
    tags: (instance?.tags ?? []).join('\n'),
    'public-ipv4': address(ip4.find((ip) => ip.public === true)),
    'local-ipv4': address(ip4.find((ip) => ip.public !== true)) || (machine.ip ?? ''),
    'public-ipv6': address(ips.find((ip) => ip.family === 6)),
    'public-keys': publicKeys(instance?.ssh_keys ?? []),
    'operating-system': {
      slug: system?.slug ?? '',
      distro: system?.distro ?? '',
      version: system?.version ?? '',
      image_tag: system?.image_tag ?? '',
      license_activation: { state: '' },
    },
  }
}

function publicKeys(keys: readonly string[]): Tree {
  const present = keys.map((key) => key.trim()).filter((key) => key !== '')
  return Object.fromEntries(present.map((key, index) => [String(index), { 'openssh-key': key }]))
}

/**
 * The text at `path`: a value as it is; of a directory its names in order, one a line, directories with a slash at the
 * end, and the keys in `public-keys` as `0=key-0`, which is how EC2 lists them.
 * @param path with or without slashes at its ends
 * @returns `undefined` when there is nothing
 */
export function metadataText(tree: Tree, path: string): string | undefined {
  const parts = path.split('/').filter((part) => part !== '')
  let found: string | Tree | undefined = tree
  for (const part of parts) {
    if (found === undefined || typeof found === 'string') return undefined
    found = Object.hasOwn(found, part) ? found[part] : undefined
  }
  if (found === undefined || typeof found === 'string') return found
  return parts.at(-1) === 'public-keys' ? listKeys(found) : listNames(found)
}

const listKeys = (keys: Tree) =>
  Object.keys(keys)
    .map((name) => `${name}=key-${name}`)
    .join('\n')

const listNames = (directory: Tree) =>
  Object.entries(directory)
    .map(([name, value]) => (typeof value === 'string' ? name : `${name}/`))
    .toSorted()
    .join('\n')

export type UserDataFacts = {
  /** of the userData as it is now, hexadecimal */
  sha256: string
  /** value of the annotation, if any */
  releasedSha256: string | undefined
  owned: boolean
  workflowLive: boolean
}

/**
 * Whether a machine may read its userData, which holds the secrets to join a cluster: while a Workflow is live, while
 * the Hardware is owned, and otherwise unless it is still what a former owner left behind.
 */
export function userDataAllowed(facts: UserDataFacts): boolean {
  return facts.workflowLive || facts.owned || facts.releasedSha256 !== facts.sha256
}
