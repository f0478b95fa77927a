import { lstatSync, mkdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { resolveInside } from '../inside.ts'

/**
 * Finds where the files of an archive go below `root`, as if that were the root folder: links on the way are followed
 * and never lead out of it.
 */
export class Places {
  readonly #root: string
  readonly #known = new Map<string, string>()

  constructor(root: string) {
    this.#root = root
  }

  /**
   * @param path as an archive names it
   * @returns the place outside; what is there itself is not followed when it is a link
   * @throws Error for a path with `..`
   */
  async of(path: string): Promise<string> {
    const parts = path.split('/').filter((part) => part !== '' && part !== '.')
    if (parts.includes('..')) throw new Error(`the archive has a file "${path}": no ".." expected`)
    if (path.includes('\0')) throw new Error('the archive has a file with a zero byte in its name')
    const last = parts.pop()
    if (last === undefined) return this.#root
    return join(await this.#folder(parts.join('/')), last)
  }

  /** Links or folders have changed. */
  forget(): void {
    this.#known.clear()
  }

  async #folder(path: string): Promise<string> {
    const known = this.#known.get(path)
    if (known !== undefined) return known
    const found = await resolveInside(this.#root, `/${path}`)
    const folder = join(this.#root, found.path)
    mkdirSync(folder, { recursive: true, mode: 0o755 })
    this.#known.set(path, folder)
    return folder
  }
}

/** What is at the place, itself; `undefined` when nothing is. */
export function thereAt(place: string) {
  return lstatSync(place, { throwIfNoEntry: false })
}

/** A file with this prefix in a layer takes away the one named behind it (OCI image-spec, layer.md §Whiteouts). */
const whiteout = '.wh.'
const opaque = '.wh..wh..opq'

/** What an entry of a layer takes away from the layers below: a path, or all that is in a folder. */
export function hides(path: string): { path: string; contentsOnly: boolean } | undefined {
  const [name, folder] = [basename(path), dirname(path)]
  if (name === opaque) return { path: folder, contentsOnly: true }
  if (!name.startsWith(whiteout)) return undefined
  return { path: join(folder, name.slice(whiteout.length)), contentsOnly: false }
}

/** AUFS's own files, which are no part of an image. */
export const isBookkeeping = (path: string) =>
  basename(path).startsWith('.wh..wh.') && !hides(path)?.contentsOnly

/** Takes away what is at a place, but not what `kept` holds. */
export function removeUnless(place: string, kept: ReadonlySet<string>): void {
  if (kept.has(place)) return
  rmSync(place, { recursive: true, force: true })
}
