import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../../src/model/error.ts'
import { accepted, createApi, openConnection } from './api.ts'
import type { Api } from './api.ts'
import type { Site } from './bench.ts'
import { compiled } from './compiled.ts'
import { anywhere, onCore } from './cores.ts'
import type { LoopReading } from './loop-probe.ts'
import { cpuSecondsOf, forgetPeakOf, memoryOf } from './process.ts'
import type { Memory } from './process.ts'

/** `ironwake serve` as built, everything on, with a fresh data directory on disk. */
export type BenchServer = AsyncDisposable & {
  pid: number
  /** as its administrator */
  api: Api
  /** an empty folder on the same disk, gone with the server */
  folder: string
  cpuSeconds(): number
  memory(): Memory
  forgetPeak(): void
  /** holds of its event loop since the last call, or the start */
  loop(): Promise<LoopReading>
}

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const readyMs = 60_000

export type ServerOptions = {
  /** more than what every server gets */
  flags?: readonly string[]
  /** the one that it runs on; any when left out */
  core?: number
  /** whether holds of its event loop are looked for, which costs it about 1 % of a core; yes when left out */
  isProbed?: boolean
}

/** @throws Error with the end of its log when it does not come up */
export async function startServer(
  site: Site,
  { flags = [], core, isProbed = true }: ServerOptions = {},
): Promise<BenchServer> {
  const folder = await mkdtemp(join(site.folder, 'server-'))
  const dataDir = join(folder, 'data')
  const probe = join(folder, 'probe.json')
  const logPath = join(folder, 'log')
  const loopProbe = isProbed ? ['--import', compiled(new URL('loop-probe.ts', import.meta.url))] : []
  const given = ['--data-dir', dataDir, '--address', site.address, '--interface', site.device, ...flags]
  const serve = [process.execPath, ...loopProbe, main, 'serve', ...given]
  const [program, args] = core === undefined ? anywhere(serve) : onCore(core, serve)
  const log = openSync(logPath, 'a')
  const child = spawn(program, args, {
    stdio: ['ignore', log, log],
    env: { ...ownEnvironment(), BENCH_PROBE: probe },
  })
  closeSync(log)
  const ended = once(child, 'exit')
  const pid = child.pid!
  const dispose = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  const loop = async () => {
    if (!isProbed) throw new Error('this server is not probed')
    await rm(probe, { force: true })
    child.kill('SIGUSR2')
    for (;;) {
      const text = await readFile(probe, 'utf8').catch(() => undefined)
      if (text !== undefined) return JSON.parse(text) as LoopReading
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(lastLines(logPath))
      await sleep(5)
    }
  }
  try {
    const api = await readyApi(join(dataDir, 'admin.kubeconfig'), () => child.exitCode === null)
    if (isProbed) await loop()
    return {
      pid,
      api,
      folder,
      cpuSeconds: () => cpuSecondsOf(pid),
      memory: () => memoryOf(pid),
      forgetPeak: () => forgetPeakOf(pid),
      loop,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    const said = lastLines(logPath)
    await dispose()
    throw new Error(`${messageOf(error)}\n${said}`, { cause: error })
  }
}

async function readyApi(kubeconfig: string, isRunning: () => boolean): Promise<Api> {
  const deadline = Date.now() + readyMs
  for (;;) {
    try {
      return await readyNow(kubeconfig)
    } catch (error) {
      if (Date.now() > deadline || !isRunning()) throw error
    }
    await sleep(50)
  }
}

async function readyNow(kubeconfig: string): Promise<Api> {
  const api = createApi(kubeconfig)
  using connection = await openConnection(api)
  accepted(await connection.request('GET', '/readyz'))
  return api
}

const lastLines = (path: string): string =>
  readFileSync(path, 'utf8').trimEnd().split('\n').slice(-20).join('\n')

/** The server takes every IRONWAKE_ name as a setting; the ones around it are not meant for it. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('IRONWAKE_')))
}
