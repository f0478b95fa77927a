import { Worker } from 'node:worker_threads'
import type { WorkerOptions } from 'node:worker_threads'

/**
 * Starts a module of this folder as a thread. Threads of Node 20 do not get the loader of their process: where the
 * sources run as they are, they have to be told of it.
 * @param module without its extension
 */
export function startThread(module: string, options: WorkerOptions): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL(`./${module}.js`, import.meta.url), options)
  const [loader, program] = [import.meta.resolve('tsx/esm/api'), import.meta.resolve(`./${module}.ts`)]
  const code = `import('${loader}').then(({ register }) => (register(), import('${program}')))`
  return new Worker(code, { ...options, eval: true, execArgv: [] })
}
