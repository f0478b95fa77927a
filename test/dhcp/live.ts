import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Machine } from '../../src/model/machine.ts'
import type { Facts, Stage } from '../../src/timeline/stage.ts'
import type { BootDirs } from '../interop/boot-servers.ts'
import { end, until } from '../interop/spaces.ts'
import type { Space } from '../interop/spaces.ts'

export type LiveSetup = {
  serverIp: string
  /** folder of its database */
  dataDir: string
  /** settings by key, as typed */
  flags: Record<string, string>
  /** serve these over TFTP (port 69) and HTTP (7171) too */
  bootDirs?: BootDirs
  machines: ({ mac: string; ip?: string } & Partial<Pick<Machine, 'allowPxe'>>)[]
}

export type Seen = { mac: string; stage: Stage } & Facts

export type LiveServer = AsyncDisposable & {
  /** what was recorded of a machine, oldest first */
  seen(mac: string): readonly Seen[]
  /** Waits for an entry of the machine past the first `after` ones. */
  waitFor(mac: string, stage: Stage, after?: number): Promise<Seen>
  /** without a word */
  kill(): Promise<void>
}

const program = fileURLToPath(new URL('live-serve.ts', import.meta.url))

/** Starts the server in `space`. @throws Error with what the program said when it ends instead */
export async function startLive(space: Space, setup: LiveSetup): Promise<LiveServer> {
  const child = space.start(process.execPath, '--import=tsx', program, JSON.stringify(setup))
  const seen: Seen[] = []
  const said: string[] = []
  child.stderr!.on('data', (text) => said.push(String(text)))
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the server ended: ${said.join('')}`)))
    createInterface(child.stdout!).on('line', (line) => {
      if (line === 'listening') resolve()
      else seen.push(JSON.parse(line) as Seen)
    })
  })
  const of = (mac: string) => seen.filter((entry) => entry.mac === mac)
  return {
    seen: of,
    waitFor: (mac, stage, after = 0) =>
      until(
        () =>
          of(mac)
            .slice(after)
            .find((entry) => entry.stage === stage),
        () => `${mac}: no ${stage} after ${after}, but ${JSON.stringify(of(mac))}; ${said.join('')}`,
      ),
    async kill() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
    async [Symbol.asyncDispose]() {
      await end(child)
    },
  }
}
