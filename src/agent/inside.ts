import { lstat, readlink } from 'node:fs/promises'
import { join } from 'node:path'

const linksAllowed = 40

/**
 * Resolves a path as a process would whose root folder is `root` (chroot): links are followed, absolute ones and `..`
 * never lead out of `root`.
 * @param path absolute, seen from `root`
 * @returns the path without links, seen from `root`, and the folders on the way that do not exist yet, outermost first
 * @throws Error for a loop of links, or a file where a folder is needed
 */
export async function resolveInside(
  root: string,
  path: string,
): Promise<{ path: string; missing: string[] }> {
  const todo = path.split('/').filter(Boolean)
  const done: string[] = []
  const missing: string[] = []
  let links = 0
  while (todo.length) {
    const part = todo.shift()!
    if (part === '.') continue
    if (part === '..') {
      done.pop()
      continue
    }
    const here = join(root, ...done, part)
    const found = await lstat(here).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw error
    })
    if (found?.isSymbolicLink()) {
      if (++links > linksAllowed) throw new Error(`${path}: too many levels of symbolic links`)
      const to = await readlink(here)
      if (to.startsWith('/')) done.length = 0
      todo.unshift(...to.split('/').filter(Boolean))
      continue
    }
    if (found && todo.length && !found.isDirectory())
      throw new Error(`/${[...done, part].join('/')} is not a folder`)
    done.push(part)
    if (!found && todo.length) missing.push(`/${done.join('/')}`)
  }
  return { path: `/${done.join('/')}`, missing }
}
