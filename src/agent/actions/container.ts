import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { groupOf, withBox } from '../container/box.ts'
import type { Box } from '../container/box.ts'
import { resolveUser, runtimeSpec } from '../container/spec.ts'
import { parseVolume } from '../container/volume.ts'
import type { Mount } from '../container/volume.ts'
import { memoryBytes } from '../facts.ts'
import { readable } from '../image/device.ts'
import { resolveInside } from '../inside.ts'
import { LineGate } from '../lines.ts'
import { goArchitecture } from '../oci/manifest.ts'
import type { ImageConfig } from '../oci/manifest.ts'
import { findImage, imageConfig, unpackImage } from '../oci/pull.ts'
import type { FoundImage } from '../oci/pull.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'

type Namespaces = { hostProcesses: boolean; hostNetwork: boolean }

/** What is left for the rest of the system beside an image. */
const reservedBytes = 96 << 20
const leastBytes = 32 << 20

/** A file that a container leaves to have the machine restarted (HookOS watches for it). */
const restartWish = '/worker/reboot'

/**
 * Runs any image as a container: all that root may do, with the machine's /dev and /sys, its network unless the network
 * namespace is `none`, and processes of its own unless the process namespace is `host`. The action's command takes the
 * place of the image's, behind its entrypoint; the action's environment goes over the image's. What it prints comes to
 * the log at once. The image is in RAM, and is gone afterwards.
 */
export async function container(run: ActionRun, machine: Machine): Promise<ActionResult> {
  return inContainer(run, machine, async (box) => {
    const restartsBefore = existsSync(restartWish)
    const { code, last } = await box.run()
    if (code !== 0) throw new Error(`${ending(code)}${last && `: ${last}`}`)
    const wantsRestart = !restartsBefore && existsSync(restartWish)
    return { message: `${run.image} ended with code 0`, ...(wantsRestart && { leave: 'reboot' as const }) }
  })
}

type Ready = { run(): Promise<{ code: number; last: string }>; runLater(seconds: number): Promise<void> }

/** Pulls the image and hands on the container, ready to run. */
export async function inContainer<T>(
  run: ActionRun,
  machine: Machine,
  use: (ready: Ready) => Promise<T>,
): Promise<T> {
  const { signal, log } = run
  const namespaces = namespacesOf(run)
  const volumes = run.volumes.map(parseVolume)
  const architecture = goArchitecture(process.arch)
  const { clock, registries, trusted } = machine
  log(`pulling ${run.image}`)
  const found = await findImage(run.image, architecture, {
    clock,
    signal,
    gate: run.gate,
    log,
    trusted,
    registries,
  })
  const config = await imageConfig(found, architecture)
  let last = ''
  const gate = new LineGate(log, () => clock.now())
  const line = (text: string) => gate.push((last = text))
  const settling = setInterval(() => gate.settle(), 1000)
  const plan = { folder: join(machine.folder, 'container'), bytes: await roomBytes() }
  try {
    return await withBox(plan, { signal, line }, async (box) => {
      await fill(box, found, run, machine, plan.bytes)
      await writeSpec(box, plan.folder, config, run, volumes, namespaces)
      for (const volume of volumes) await mkdir(volume.source, { recursive: true }).catch(ignoreFile)
      return use({
        run: async () => ({ code: await box.run().finally(() => gate.flush()), last }),
        runLater: (seconds) => box.runLater(seconds),
      })
    })
  } finally {
    clearInterval(settling)
  }
}

function namespacesOf({ pidNamespace, networkNamespace }: ActionRun): Namespaces {
  if (!['', 'host', 'private'].includes(pidNamespace))
    throw new Error(`the process namespace (pid) is "${pidNamespace}": "host" or nothing expected`)
  if (!['', 'host', 'bridge', 'default', 'none'].includes(networkNamespace))
    throw new Error(`the network namespace is "${networkNamespace}": "host", "none" or nothing expected`)
  return { hostProcesses: pidNamespace === 'host', hostNetwork: networkNamespace !== 'none' }
}

async function roomBytes(): Promise<number> {
  const available = await memoryBytes('', 'MemAvailable')
  return Math.max(leastBytes, available - reservedBytes)
}

async function fill(
  box: Box,
  found: FoundImage,
  run: ActionRun,
  machine: Machine,
  room: number,
): Promise<void> {
  const { clock, commands } = machine
  const { signal, log, progress } = run
  const begun = clock.now()
  const root = join(box.folder, 'rootfs')
  await mkdir(root, { mode: 0o755 })
  const { files, bytes, served } = await unpackImage(found, root, { commands, signal, log, progress }).catch(
    (error: unknown) => {
      if (!/no space left/.test(String(error))) throw error
      throw new Error(`${found.name} does not fit: ${readable(room)} of memory are free for it`, {
        cause: error,
      })
    },
  )
  const seconds = Math.max(0.1, (clock.now() - begun) / 1000)
  const layers = found.manifest.layers.length
  log(
    `image ${found.digest}: ${layers} layer${layers === 1 ? '' : 's'}, ${readable(served)}, ` +
      `${files} files with ${readable(bytes)}, in ${seconds.toFixed(1)} s`,
  )
}

async function writeSpec(
  box: Box,
  folder: string,
  config: ImageConfig,
  run: ActionRun,
  volumes: readonly Mount[],
  namespaces: Namespaces,
): Promise<void> {
  const root = join(box.folder, 'rootfs')
  const user = resolveUser(
    config.user,
    await textInside(root, '/etc/passwd'),
    await textInside(root, '/etc/group'),
  )
  const request = {
    group: groupOf(folder),
    command: run.command,
    environment: run.environment,
    volumes,
    ...namespaces,
  }
  const spec = runtimeSpec(config, { ...request, user, hostname: hostname() }, await held())
  await writeFile(join(box.folder, 'config.json'), JSON.stringify(spec))
  if (namespaces.hostNetwork) await giveNames(root)
  run.log(`running ${spec.process.args.map((word) => JSON.stringify(word)).join(' ')}`)
}

async function held(): Promise<bigint> {
  const status = await readFile('/proc/self/status', 'utf8')
  return BigInt(`0x${/^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
}

async function textInside(root: string, path: string): Promise<string> {
  const inside = await resolveInside(root, path)
  return readFile(join(root, inside.path), 'utf8').catch(() => '')
}

/** The machine's own name server and hosts, as Docker gives them to a container of the machine's network. */
async function giveNames(root: string): Promise<void> {
  for (const path of ['/etc/resolv.conf', '/etc/hosts']) {
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text === undefined) continue
    await mkdir(join(root, (await resolveInside(root, '/etc')).path), { recursive: true })
    const place = join(root, (await resolveInside(root, '/etc')).path, basename(path))
    await rm(place, { force: true, recursive: true })
    await writeFile(place, text)
  }
}

/** A volume's source may be a file, or a device. */
async function ignoreFile(error: unknown): Promise<void> {
  if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return
  throw error
}

function ending(code: number): string {
  return `the container ended with code ${code}${code > 128 ? `, as by signal ${code - 128}` : ''}`
}
