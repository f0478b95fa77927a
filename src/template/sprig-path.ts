import { fn } from './func.ts'
import type { FuncTable } from './func.ts'

/** Go's package path, and path/filepath as it is on Linux. */
export const pathFunctions: FuncTable = {
  base: fn(['string'], base),
  dir: fn(['string'], dir),
  clean: fn(['string'], clean),
  ext: fn(['string'], ext),
  isAbs: fn(['string'], isAbs),
  osBase: fn(['string'], base),
  osDir: fn(['string'], dir),
  osClean: fn(['string'], clean),
  osExt: fn(['string'], ext),
  osIsAbs: fn(['string'], isAbs),
}

/** The last element; `.` of nothing, `/` of slashes. */
function base(path: string): string {
  if (path === '') return '.'
  const end = lastNotSlash(path)
  return end < 0 ? '/' : path.slice(path.lastIndexOf('/', end) + 1, end + 1)
}

function lastNotSlash(path: string): number {
  let at = path.length - 1
  while (at >= 0 && path[at] === '/') at--
  return at
}

function dir(path: string): string {
  return clean(path.slice(0, path.lastIndexOf('/') + 1))
}

function ext(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot < 0 ? '' : name.slice(dot)
}

function isAbs(path: string): boolean {
  return path.startsWith('/')
}

/** The shortest path that means the same, found without looking at any disk. */
function clean(path: string): string {
  const kept: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') kept.push(part)
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop()
    else if (!isAbs(path)) kept.push(part)
  }
  const joined = kept.join('/')
  if (isAbs(path)) return `/${joined}`
  return joined === '' ? '.' : joined
}
