import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readChecksum } from './cache-rules.ts'
import type { ImageCache } from './cache.ts'
import { rootFile } from './files.ts'
import { kindBytes, kindOf } from './image-kind.ts'
import type { BootFiles } from './open.ts'

/** An image that this server gives. */
export type ListedImage = {
  /** below `/images/`; of a pulled image that no upstream names any more its URL */
  name: string
  from: 'folder' | 'cache'
  /** bytes in all; missing while an upstream has not said it */
  size?: number
  /** bytes that are there, of one that is on its way */
  have?: number
  /** ISO 8601, UTC */
  modified: string
  /** by content: `zstd`, `qcow2`, `disk, gpt`, … */
  kind: string
  /** as its upstream or the file `<name>.sha256` beside it says */
  sha256?: string
}

const most = { images: 5000, depth: 8 }

/** What is in the folder of images and in the cache, by name; no more than 5000 of the folder. */
export async function listImages(
  imageDir: string,
  files: Pick<BootFiles, 'open'>,
  cache: Pick<ImageCache, 'list'>,
): Promise<ListedImage[]> {
  const paths: string[] = []
  await walk(imageDir, '', paths, most.depth)
  const found: ListedImage[] = []
  for (const path of paths) {
    const image = await look(files, path)
    if (image) found.push(image)
  }
  return [...found, ...(await cache.list())].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** Adds the paths that may be asked for; links to folders are not gone into. */
async function walk(root: string, folder: string, paths: string[], depth: number): Promise<void> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => [])
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (paths.length >= most.images || !rootFile('image', path)) continue
    if (entry.isDirectory() && depth > 0) await walk(root, path, paths, depth - 1)
    else if ((entry.isFile() || entry.isSymbolicLink()) && !path.endsWith('.sha256')) paths.push(path)
  }
}

async function look(files: Pick<BootFiles, 'open'>, path: string): Promise<ListedImage | undefined> {
  const file = await files.open({ root: 'image', path }).catch(() => undefined)
  if (!file) return undefined
  try {
    const { size } = file
    const kind = kindOf(await file.read(0, kindBytes))
    const sha256 = await sumOf(files, path)
    const modified = new Date(file.modified).toISOString()
    return { name: path, from: 'folder', size, modified, kind, ...(sha256 && { sha256 }) }
  } finally {
    await file.close()
  }
}

async function sumOf(files: Pick<BootFiles, 'open'>, path: string): Promise<string | undefined> {
  const file = await files.open({ root: 'image', path: `${path}.sha256` }).catch(() => undefined)
  if (!file) return undefined
  try {
    return readChecksum(Buffer.from(await file.read(0, 64 * 1024)).toString(), path.split('/').at(-1)!)
  } finally {
    await file.close()
  }
}
