import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { UnknownMachine } from '../../../src/timeline/unknown.ts'
import type { Diagnosis } from '../../../src/timeline/doctor/diagnose.ts'
import type { TimelineEntry } from '../../../src/timeline/stage.ts'
import { end, until } from '../../interop/spaces.ts'
import type { Space } from '../../interop/spaces.ts'

export type ClinicSetup = {
  serverIp: string
  device: string
  dirs: { ipxeDir: string; osDir: string; imageDir: string }
}

export type Ask =
  | { objects: readonly object[] }
  | { mac: string; laterMs: number }
  | { mac: string; stages: true }
  | { unknown: true }

export type RunningClinic = AsyncDisposable & {
  put(...objects: readonly object[]): Promise<void>
  /** what the doctor says `laterMs` from now, when nothing else has happened by then */
  diagnose(mac: string, laterMs?: number): Promise<Diagnosis>
  entries(mac: string): Promise<TimelineEntry[]>
  /** Waits until something was recorded. */
  waitFor(mac: string, what: (entry: TimelineEntry) => boolean): Promise<void>
  unknown(): Promise<UnknownMachine[]>
}

const program = fileURLToPath(new URL('serve.ts', import.meta.url))

/** Starts the servers in `space`. @throws Error with what the program said when it ends instead */
export async function startClinic(space: Space, setup: ClinicSetup): Promise<RunningClinic> {
  const child = space.start(process.execPath, '--import=tsx', program, JSON.stringify(setup))
  const said: string[] = []
  const waiting: ((answer: unknown) => void)[] = []
  child.stderr!.on('data', (text) => said.push(String(text)))
  await new Promise<void>((resolve, reject) => {
    waiting.push(() => resolve())
    child.once('exit', () => reject(new Error(`the server ended: ${said.join('')}`)))
    createInterface(child.stdout!).on('line', (line) => waiting.shift()?.(JSON.parse(line)))
  })
  const ask = <Answer>(question: Ask) =>
    new Promise<Answer>((resolve) => {
      waiting.push(resolve as (answer: unknown) => void)
      child.stdin!.write(`${JSON.stringify(question)}\n`)
    })
  const entries = (mac: string) => ask<TimelineEntry[]>({ mac, stages: true })
  return {
    put: async (...objects) => void (await ask({ objects })),
    diagnose: (mac, laterMs = 600_000) => ask({ mac, laterMs }),
    entries,
    async waitFor(mac, what) {
      let seen: TimelineEntry[] = []
      await until(
        async () => {
          seen = await entries(mac)
          return seen.some(what)
        },
        () => `${mac}: only ${JSON.stringify(seen)}; ${said.join('')}`,
      )
    },
    unknown: () => ask({ unknown: true }),
    async [Symbol.asyncDispose]() {
      await end(child)
    },
  }
}
