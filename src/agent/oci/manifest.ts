/** A piece of an image: where it is kept is its digest (OCI image-spec, descriptor.md). */
export type Descriptor = { mediaType: string; digest: string; bytes: number; title: string | undefined }

export type Manifest = { config: Descriptor; layers: Descriptor[] }

/** What a container is started with, as far as the image says. */
export type ImageConfig = {
  architecture: string
  os: string
  environment: string[]
  entrypoint: string[]
  command: string[]
  user: string
  folder: string
}

/** Media types that are asked for. */
export const accepted = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null
const list = (value: unknown) => (Array.isArray(value) ? (value as unknown[]) : [])
const text = (value: unknown) => (typeof value === 'string' ? value : '')
const texts = (value: unknown) => list(value).map(text)

/** @throws Error when the text is no JSON object */
export function readJson(bytes: Uint8Array, what: string): Json {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (isObject(value)) return value
  } catch (cause) {
    throw new Error(`${what} is not JSON`, { cause })
  }
  throw new Error(`${what} is not a JSON object`)
}

const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

function descriptor(value: unknown, what: string): Descriptor {
  const json = isObject(value) ? value : {}
  const [digest, bytes] = [text(json['digest']), Number(json['size'])]
  if (!digestPattern.test(digest) || !Number.isSafeInteger(bytes) || bytes < 0)
    throw new Error(`${what}: a digest and a size expected, found ${JSON.stringify(value)}`)
  const annotations = isObject(json['annotations']) ? json['annotations'] : {}
  const title = text(annotations['org.opencontainers.image.title']) || undefined
  return { mediaType: text(json['mediaType']), digest, bytes, title }
}

/** The names that image indexes use for `process.arch` and the kernel's names of processors (Go's GOARCH). */
export function goArchitecture(name: string): string {
  const names: Readonly<Record<string, string>> = {
    x64: 'amd64',
    x86_64: 'amd64',
    aarch64: 'arm64',
    ia32: '386',
  }
  return names[name] ?? name
}

export const isIndex = (document: Json) => Array.isArray(document['manifests'])

/**
 * The image for this processor in an index. A variant is passed over where there is one without (arm64/v8 is arm64).
 * @throws Error naming the platforms there are
 */
export function forPlatform(index: Json, architecture: string, what: string): Descriptor {
  const entries = list(index['manifests']).filter(isObject)
  const named = entries.map((entry) => ({
    entry,
    platform: isObject(entry['platform']) ? entry['platform'] : {},
  }))
  const fitting = named.filter(
    ({ platform }) => platform['os'] === 'linux' && platform['architecture'] === architecture,
  )
  const found = fitting.find(({ platform }) => !platform['variant']) ?? fitting[0]
  if (found) return descriptor(found.entry, what)
  const there = named
    .map(({ platform }) => `${text(platform['os'])}/${text(platform['architecture'])}`)
    .filter((name) => name !== '/' && name !== 'unknown/unknown')
  throw new Error(
    `${what} is not there for linux/${architecture}: there are ${there.join(', ') || 'no platforms'}`,
  )
}

/** @throws Error when it is no manifest of an image */
export function readManifest(document: Json, what: string): Manifest {
  if (document['schemaVersion'] === 1)
    throw new Error(`${what} has a manifest of Docker's first version, which is not supported`)
  const layers = list(document['layers'])
  if (!layers.length && !document['config']) throw new Error(`${what} has no manifest of an image`)
  return {
    config: descriptor(document['config'], `${what}: config`),
    layers: layers.map((layer, at) => descriptor(layer, `${what}: layer ${at + 1}`)),
  }
}

export function readConfig(document: Json): ImageConfig {
  const config = isObject(document['config']) ? document['config'] : {}
  return {
    architecture: text(document['architecture']),
    os: text(document['os']),
    environment: texts(config['Env']),
    entrypoint: texts(config['Entrypoint']),
    command: texts(config['Cmd']),
    user: text(config['User']),
    folder: text(config['WorkingDir']) || '/',
  }
}

/** Layers that other places hold, as Windows' base images have them. */
export const isForeign = ({ mediaType }: Descriptor) => /nondistributable|foreign/.test(mediaType)
