import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Facts, Stage } from '../../src/timeline/stage.ts'
import type { BootDirs } from './boot-servers.ts'
import { end, until } from './spaces.ts'
import type { Space } from './spaces.ts'

/** What a machine is given. The gateway is the server and the lease an hour when left out. */
export type Reservation = { mac: string; ip: string; gateway?: string; leaseSeconds?: number }

export type Setup = {
  serverIp: string
  interfaces: string[]
  machines: Reservation[]
  /** serve these over TFTP (port 69) and HTTP (7171) too */
  bootDirs?: BootDirs
}

export type Seen = { mac: string; stage: Stage } & Facts

export type Server = AsyncDisposable & {
  /** what was recorded of a machine, oldest first */
  seen(mac: string): readonly Seen[]
  stages(mac: string): Stage[]
  /** Puts another reservation in the place of the machine's. */
  reserve(reservation: Reservation): Promise<void>
  /** Waits for an entry of the machine past the first `after` ones. */
  waitFor(mac: string, stage: Stage, after?: number): Promise<Seen>
}

const program = fileURLToPath(new URL('serve.ts', import.meta.url))

/** Starts the servers in `space`. @throws Error with what the program said when it ends instead */
export async function startServer(space: Space, setup: Setup): Promise<Server> {
  const child = space.start(process.execPath, '--import=tsx', program, JSON.stringify(setup))
  const seen: Seen[] = []
  const said: string[] = []
  let changes = 0
  child.stderr!.on('data', (text) => said.push(String(text)))
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the server ended: ${said.join('')}`)))
    createInterface(child.stdout!).on('line', (line) => {
      if (line === 'listening') resolve()
      else if (line === 'changed') changes += 1
      else seen.push(JSON.parse(line) as Seen)
    })
  })
  const of = (mac: string) => seen.filter((entry) => entry.mac === mac)
  return {
    seen: of,
    stages: (mac) => of(mac).map(({ stage }) => stage),
    async reserve(reservation) {
      const before = changes
      child.stdin!.write(`${JSON.stringify(reservation)}\n`)
      await until(
        () => changes > before,
        () => `the reservation of ${reservation.mac} was not taken`,
      )
    },
    waitFor: (mac, stage, after = 0) =>
      until(
        () =>
          of(mac)
            .slice(after)
            .find((entry) => entry.stage === stage),
        () =>
          `${mac}: no ${stage} after ${JSON.stringify(of(mac).slice(0, after))}, but ${JSON.stringify(of(mac).slice(after))}`,
      ),
    async [Symbol.asyncDispose]() {
      await end(child)
    },
  }
}
