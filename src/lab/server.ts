import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, isCode } from '../model/error.ts'
import type { LabApi } from './api.ts'
import type { LabNetwork } from './netns.ts'

/** `ironwake serve` as a process of its own, inside a lab's network. */
export type LabServer = AsyncDisposable & {
  readonly logPath: string
  /** Starts it and waits until it is ready. @throws AppError Unavailable when it ends, Timeout when it is not ready */
  start(): Promise<void>
  /** Ends it (SIGTERM drains, SIGKILL does not) and waits until it is gone. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  running(): boolean
  /** newest lines of its log */
  lastLines(count: number): string[]
}

export type ServerOptions = {
  network: LabNetwork
  api: LabApi
  /** arguments of Node: the built `main.js` and its flags */
  argv: readonly string[]
  logPath: string
}

const readyMs = 120_000
const drainMs = 15_000

/** The server of `options`, not started yet. */
export function createServer({ network, api, argv, logPath }: ServerOptions): LabServer {
  let child: ChildProcess | undefined
  let ended: Promise<unknown> = Promise.resolve()

  const lastLines = (count: number) =>
    existsSync(logPath) ? readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-count) : []

  async function start() {
    if (child) throw new AppError('FailedPrecondition', 'the server is already running')
    const [program, args] = network.inside([process.execPath, ...argv])
    const log = openSync(logPath, 'a')
    const started = spawn(program, args, {
      stdio: ['ignore', log, log],
      env: ownEnvironment(),
      detached: true,
    })
    closeSync(log)
    child = started
    ended = once(started, 'close').finally(() => (child = undefined))
    await once(started, 'spawn')
    await waitUntilReady()
  }

  async function waitUntilReady() {
    const deadline = Date.now() + readyMs
    for (;;) {
      if (!child) throw new AppError('Unavailable', `the server ended:\n${lastLines(20).join('\n')}`)
      try {
        await api.request('GET', '/readyz')
        return
      } catch (error) {
        if (!isCode(error, 'Unavailable', 'Internal')) throw error
        if (Date.now() > deadline)
          throw new AppError('Timeout', `the server is not ready after ${readyMs} ms: ${error.message}`)
      }
      await sleep(100)
    }
  }

  async function kill(signal: 'SIGTERM' | 'SIGKILL') {
    const victim = child
    victim?.kill(signal)
    const timer = setTimeout(() => victim?.kill('SIGKILL'), drainMs)
    await ended
    clearTimeout(timer)
  }

  return {
    logPath,
    start,
    kill,
    running: () => child !== undefined,
    lastLines,
    [Symbol.asyncDispose]: () => kill('SIGTERM'),
  }
}

/** The server takes every IRONWAKE_ name as a setting; the ones around it are not meant for it. */
function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('IRONWAKE_')))
}
