import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { basename, join } from 'node:path'
import { buildSync } from 'esbuild'

const folder = fileURLToPath(new URL('../../.cache/bench/', import.meta.url))

/**
 * Plain JavaScript of a program beside the caller, so that no loader has a part in what it measures.
 * @param url of the TypeScript file
 * @returns path of a module that Node runs
 */
export function compiled(url: URL): string {
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, `${basename(url.pathname, '.ts')}.mjs`)
  buildSync({
    entryPoints: [fileURLToPath(url)],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  })
  return outfile
}
