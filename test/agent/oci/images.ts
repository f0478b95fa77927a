import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'

export type Blob = { mediaType: string; digest: string; size: number; bytes: Buffer }

export type ImageParts = {
  /** tar archives, as they are sent */
  layers: Blob[]
  config: Record<string, unknown>
  architecture?: string
  os?: string
}

export function blobOf(bytes: Buffer, mediaType: string, algorithm = 'sha256'): Blob {
  const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
  return { mediaType, digest, size: bytes.length, bytes }
}

const tarType = 'application/vnd.oci.image.layer.v1.tar'

export const layers = {
  tar: (bytes: Buffer) => blobOf(bytes, tarType),
  gzip: (bytes: Buffer) => blobOf(gzipSync(bytes), `${tarType}+gzip`),
  zstd: (bytes: Buffer) => blobOf(spawnSync('zstd', ['-qc'], { input: bytes }).stdout, `${tarType}+zstd`),
}

/** A layer of the files in a folder, made by tar. */
export function layerOf(folder: string): Buffer {
  const { status, stdout, stderr } = spawnSync('tar', ['-C', folder, '-cf', '-', '.'], { maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr.toString())
  return stdout
}

/** The configuration and the manifest of an image. */
export function imageOf({ layers, config, architecture = 'amd64', os = 'linux' }: ImageParts) {
  const rootfs = { type: 'layers', diff_ids: [] }
  const text = JSON.stringify({ architecture, os, config, rootfs })
  const configBlob = blobOf(Buffer.from(text), 'application/vnd.oci.image.config.v1+json')
  const manifest = manifestOf(configBlob, layers)
  return { blobs: [configBlob, ...layers], manifest }
}

const described = ({ mediaType, digest, size }: Blob) => ({ mediaType, digest, size })

export function manifestOf(config: Blob, layers: Blob[]): Blob {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const text = { schemaVersion: 2, mediaType, config: described(config), layers: layers.map(described) }
  return blobOf(Buffer.from(JSON.stringify(text)), mediaType)
}

export function indexOf(entries: { manifest: Blob; architecture: string; variant?: string }[]): Blob {
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const manifests = entries.map(({ manifest, architecture, variant }) => ({
    ...described(manifest),
    platform: { os: 'linux', architecture, ...(variant && { variant }) },
  }))
  return blobOf(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests })), mediaType)
}
