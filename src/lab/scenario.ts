import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { AppError, isCode } from '../model/error.ts'
import type { Stage, TimelineEntry } from '../timeline/stage.ts'
import { chooseAccelerator } from './accelerator.ts'
import { createApi } from './api.ts'
import type { LabApi } from './api.ts'
import { createMachine } from './machine.ts'
import type { LabMachine, MachineOptions } from './machine.ts'
import { createNetwork } from './netns.ts'
import type { LabNetwork } from './netns.ts'
import type { Accelerator } from './qemu.ts'
import { startRouter } from './router.ts'
import { createServer } from './server.ts'
import type { LabServer } from './server.ts'

/** What set-up has made: the netboot OS, iPXE and the disk image, each in a folder. */
export type LabParts = { osDir: string; ipxeDir: string; imageDir: string }

/** A private network with a server on it, and machines as they are wanted. */
export type Lab = AsyncDisposable & {
  /** data of the server, disks and logs; removed at the end unless it is kept */
  readonly dir: string
  /** folder of the disk image */
  readonly imageDir: string
  readonly network: LabNetwork
  readonly accelerator: Accelerator
  readonly api: LabApi
  readonly server: LabServer
  /** Runs the command line tool inside. @throws AppError Internal with what it said when it fails */
  cli(...args: string[]): Promise<string>
  /** Puts a machine on the network, switched off. */
  machine(options: Omit<MachineOptions, 'dir' | 'accelerator'>): Promise<LabMachine>
  /** all machines that were put on the network */
  machines(): readonly LabMachine[]
  /** What the server saw the machine do, oldest first; what was known before when the server is away. */
  timeline(mac: string): Promise<readonly TimelineEntry[]>
  /**
   * The first entry of this stage that `wanted` accepts.
   * @throws AppError Timeout with the last stages seen; Unavailable when the machine has gone off
   */
  waitForStage(mac: string, stage: Stage, timeoutMs: number, wanted?: Wanted): Promise<TimelineEntry>
}

type Wanted = (entry: TimelineEntry) => boolean

export type LabOptions = {
  parts: LabParts
  subnet?: string
  /** keep `dir` at the end */
  keep?: boolean
  /** further flags of the server */
  flags?: readonly string[]
  /** Puts something between the server and the machines, and gives the network that machines are put on. */
  between?: (network: LabNetwork) => Promise<LabNetwork>
}

/** The project's folder, from src/lab as from dist/lab. */
export const projectDir = fileURLToPath(new URL('../..', import.meta.url))
const pollMs = 300

/**
 * What set-up wrote down about its parts.
 * @throws AppError NotFound when it has not run, or has skipped them
 */
export function readParts(): LabParts {
  const path = join(projectDir, '.cache/lab.json')
  if (!existsSync(path))
    throw new AppError('NotFound', `${path} is missing: set-up has not made the boot parts`)
  return JSON.parse(readFileSync(path, 'utf8')) as LabParts
}

/** Makes the network, starts the server in it and waits until it is ready. */
export async function startLab(options: LabOptions): Promise<Lab> {
  await using scope = new AsyncScope()
  const dir = mkdtempSync(join(tmpdir(), 'ironwake-lab-'))
  if (!options.keep) scope.defer(async () => rmSync(dir, { recursive: true, force: true }))
  const { osDir, ipxeDir, imageDir } = options.parts
  const accelerator = await chooseAccelerator(join(osDir, 'vmlinuz-x86_64'), join(osDir, '.kvm'))
  const network = scope.use(await createNetwork(options.subnet))
  await startRouter(network)
  const machinesAt = options.between ? scope.use(await options.between(network)) : network
  const dataDir = join(dir, 'data')
  mkdirSync(dataDir)
  const main = join(projectDir, 'dist/main.js')
  const api = createApi(await relay(network, dir), join(dataDir, 'admin.kubeconfig'))
  const flags = { 'data-dir': dataDir, address: network.address, interface: network.bridge }
  const folders = { 'os-dir': osDir, 'ipxe-dir': ipxeDir, 'image-dir': imageDir }
  const settings = Object.entries({ ...flags, ...folders }).flatMap(([name, value]) => [`--${name}`, value])
  const argv = [main, 'serve', ...settings, ...(options.flags ?? [])]
  const server = scope.use(createServer({ network, api, argv, logPath: join(dir, 'server.log') }))
  await server.start()

  const machines = new Map<string, LabMachine>()
  const timeline = createTimeline(api)
  const kept = scope.keep()
  return {
    dir,
    imageDir,
    network,
    accelerator,
    api,
    server,
    cli: (...args) =>
      runInside(network, [
        process.execPath,
        main,
        ...args,
        '--kubeconfig',
        join(dataDir, 'admin.kubeconfig'),
      ]),
    async machine(wanted) {
      const made = kept.use(await createMachine(machinesAt, { ...wanted, dir, accelerator }))
      machines.set(made.mac, made)
      return made
    },
    machines: () => [...machines.values()],
    timeline,
    waitForStage: (mac, stage, timeoutMs, wanted = () => true) =>
      waitForStage({ timeline, machine: machines.get(mac) }, { mac, stage, timeoutMs, wanted }),
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  }
}

/** Things to end, the newest first: all of them when the scope is left, or later when it is kept. */
class AsyncScope implements AsyncDisposable {
  #ends: (() => PromiseLike<void>)[] = []

  defer(end: () => Promise<void>): void {
    this.#ends.push(end)
  }

  use<T extends AsyncDisposable>(thing: T): T {
    this.#ends.push(() => thing[Symbol.asyncDispose]())
    return thing
  }

  keep(): AsyncScope {
    const kept = new AsyncScope()
    kept.#ends = this.#ends
    this.#ends = []
    return kept
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.splice(0).toReversed()) await end()
  }
}

/** Starts the relay into the network; it ends with the network. */
async function relay(network: LabNetwork, dir: string): Promise<string> {
  const path = join(dir, 'api.socket')
  const script = join(projectDir, 'dist/lab/relay.js')
  const [program, args] = network.inside([process.execPath, script, path, network.address, '7443'])
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], detached: true })
  await once(child, 'spawn')
  child.unref()
  while (!existsSync(path)) {
    if (child.exitCode !== null) throw new AppError('Internal', `the relay ended with ${child.exitCode}`)
    await sleep(20)
  }
  return path
}

function runInside(network: LabNetwork, command: readonly string[]): Promise<string> {
  const [program, args] = network.inside(command)
  return new Promise((resolve, reject) => {
    execFile(program, args, { encoding: 'utf8' }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout)
      const said = `${stdout}${stderr}`.trim()
      reject(new AppError('Internal', `${command.slice(2).join(' ')}: ${said}`, { cause: error }))
    })
  })
}

function createTimeline(api: LabApi): Lab['timeline'] {
  const known = new Map<string, readonly TimelineEntry[]>()
  return async (mac) => {
    try {
      const answer = await api.request('GET', `/ironwake/v1/timeline/${mac}`)
      known.set(mac, (answer as { entries: TimelineEntry[] }).entries)
    } catch (error) {
      if (!isCode(error, 'Unavailable')) throw error
    }
    return known.get(mac) ?? []
  }
}

type Watched = { timeline: Lab['timeline']; machine: LabMachine | undefined }
type Awaited = { mac: string; stage: Stage; timeoutMs: number; wanted: Wanted }

async function waitForStage({ timeline, machine }: Watched, awaited: Awaited): Promise<TimelineEntry> {
  const { mac, stage, timeoutMs, wanted } = awaited
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const entries = await timeline(mac)
    const found = entries.find((entry) => entry.stage === stage && wanted(entry))
    if (found) return found
    const last =
      entries
        .slice(-5)
        .map((entry) => entry.stage)
        .join(', ') || 'nothing'
    if (machine && !machine.running())
      throw new AppError('Unavailable', `machine ${mac} went off before ${stage}; seen last: ${last}`)
    if (Date.now() > deadline)
      throw new AppError('Timeout', `machine ${mac}: no ${stage} in ${timeoutMs} ms; seen last: ${last}`)
    await sleep(pollMs)
  }
}
