import { extract } from '../archive/extract.ts'
import { readTar } from '../archive/tar.ts'
import { messageOf } from '../../model/error.ts'
import type { Commands } from '../commands.ts'
import { detectFormat } from '../image/format.ts'
import { peek, tap } from '../image/stream.ts'
import { unpack } from '../image/unpack.ts'
import { forPlatform, goArchitecture, isForeign, isIndex, readConfig, readManifest } from './manifest.ts'
import type { Descriptor, ImageConfig, Manifest } from './manifest.ts'
import { parseReference, written } from './reference.ts'
import { Repository } from './registry.ts'
import type { RegistryDeps } from './registry.ts'
import { settingsOf } from './settings.ts'
import type { RegistrySettings } from './settings.ts'

type FindDeps = RegistryDeps & { registries: readonly RegistrySettings[] }

/** An image that a registry has. */
export type FoundImage = { name: string; digest: string; repository: Repository; manifest: Manifest }

/**
 * Finds the manifest of an image, through an index that for this processor.
 * @param architecture as Go names it (amd64)
 * @throws Error saying whether there is none, it is refused, or there is none for this processor
 */
export async function findImage(image: string, architecture: string, deps: FindDeps): Promise<FoundImage> {
  const reference = parseReference(image)
  const name = written(reference)
  const repository = await Repository.open(reference, settingsOf(reference.registry, deps.registries), deps)
  let { json, digest } = await repository.manifest(reference.version)
  if (isIndex(json))
    ({ json, digest } = await repository.manifest(forPlatform(json, architecture, name).digest))
  return { name, digest, repository, manifest: readManifest(json, name) }
}

/**
 * What a container of the image is started with.
 * @throws Error when the image is for other machines, or is none that can be run
 */
export async function imageConfig(found: FoundImage, architecture: string): Promise<ImageConfig> {
  const { name, repository, manifest } = found
  if (!/config\.v1\+json|container\.image\.v1\+json/.test(manifest.config.mediaType))
    throw new Error(
      `${name} is no image of a container but of type "${manifest.config.mediaType}": it cannot be run`,
    )
  const config = readConfig(await repository.document(manifest.config, `${name}: the image's configuration`))
  if (config.os !== 'linux' || goArchitecture(config.architecture) !== architecture)
    throw new Error(
      `${name} is for ${config.os}/${config.architecture}, and this machine is linux/${architecture}`,
    )
  return config
}

export type UnpackDeps = {
  commands: Commands
  signal: AbortSignal
  log(line: string): void
  progress(doneBytes: number, totalBytes: number): void
}

/** Unpacks the layers one on the other. @throws Error naming the layer and what is wrong with it */
export async function unpackImage(found: FoundImage, root: string, deps: UnpackDeps) {
  const { layers } = found.manifest
  const total = layers.reduce((sum, { bytes }) => sum + bytes, 0)
  let served = 0
  const unpacked = { files: 0, bytes: 0 }
  for (const layer of layers) {
    if (isForeign(layer)) throw new Error(`${found.name}: layer ${layer.digest} is kept elsewhere`)
    const counted = tap(found.repository.blob(layer), (chunk) =>
      deps.progress((served += chunk.length), total),
    )
    const done = await extract(readTar(await opened(layer, counted, deps.signal)), root, {
      ...deps,
      isLayer: true,
    }).catch((error: unknown) => {
      deps.signal.throwIfAborted()
      throw new Error(`${found.name}, layer ${layer.digest}: ${messageOf(error)}`, { cause: error })
    })
    unpacked.files += done.files
    unpacked.bytes += done.bytes
  }
  return { ...unpacked, served: total }
}

/** How a layer is packed is told by its content, as registries and builders do not agree on media types. */
async function opened(layer: Descriptor, packed: AsyncIterable<Uint8Array>, signal: AbortSignal) {
  if (/encrypted/.test(layer.mediaType)) throw new Error('it is encrypted')
  const { head, all } = await peek(packed)
  return unpack(detectFormat(head), all, signal)
}
