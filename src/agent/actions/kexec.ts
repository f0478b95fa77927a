import { createReadStream, createWriteStream } from 'node:fs'
import { lstat, mkdtemp, readdir, readFile, rm, stat, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { messageOf } from '../../model/error.ts'
import { CommandFault } from '../commands.ts'
import { resolveInside } from '../inside.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'
import { defaultEntry, parseGrubEnvironment } from './grub.ts'
import type { BootEntry } from './grub.ts'
import { initrdNames, kernelVersion, newestKernel, placesOf } from './kernel.ts'

type Request = {
  device: string
  fsType: string
  kernel: string
  initrd: string
  commandLine: string
  menu: string
}

/** What is started, as paths inside the file system. */
type Start = { kernel: string; initrds: string[]; commandLine: string; how: string }

/** Where grub-install puts the menu, on a root file system and on one of /boot. */
const menus = [
  '/boot/grub/grub.cfg',
  '/boot/grub2/grub.cfg',
  '/boot/grub.cfg',
  '/grub/grub.cfg',
  '/grub2/grub.cfg',
]
const kernelFolders = ['/boot', '/']
const longestMenu = 4 << 20

/**
 * Loads the kernel of an installed system, which starts in place of this one once the server has acknowledged the
 * action. Environment as in Tinkerbell's kexec: BLOCK_DEVICE, FS_TYPE (ext4), KERNEL_PATH, INITRD_PATH, CMD_LINE,
 * GRUBCFG_PATH. What is not given comes from the default entry of grub.cfg, else from the newest kernel in /boot; a
 * command line from there without `root=` gets the device's UUID.
 */
export async function kexec(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const request = parseRequest(run.environment)
  const device = await machine.disks.inspect(request.device, run.signal)
  const { mounts, commands } = machine
  const what = await mounts.during(
    device.path,
    request.fsType,
    true,
    async (root) => {
      const start = await findStart(root, { ...request, device: device.path }, run)
      const commandLine = await completed(start.commandLine, request, async () => {
        if (await isRoot(root)) return commands.run('blkid', ['-p', '-s', 'UUID', '-o', 'value', device.path])
        throw new Error(`${device.path} is not the root file system: CMD_LINE with root= expected`)
      })
      const line = `kernel ${start.kernel}, initrd ${start.initrds.join(' ') || 'none'}, command line "${commandLine}"`
      run.log(`${start.how}: ${line}`)
      await load(root, { ...start, commandLine }, run, machine)
      return line
    },
    run.signal,
  )
  await commands.run('sync', [])
  return { message: `starting ${what} of ${device.path}`, leave: 'kexec' }
}

function parseRequest(environment: Readonly<Record<string, string>>): Request {
  const { BLOCK_DEVICE: device = '', FS_TYPE: fsType = '', CMD_LINE: commandLine = '' } = environment
  if (!device) throw new Error('BLOCK_DEVICE is not set: a partition such as /dev/sda1 expected')
  if (!/^[\w.-]*$/.test(fsType))
    throw new Error(`FS_TYPE is "${fsType}": a file system such as ext4 expected`)
  if (/[\0\n]/.test(commandLine)) throw new Error('CMD_LINE has more than one line')
  const path = (name: string) => (environment[name] ? `/${environment[name].replace(/^\/+/, '')}` : '')
  const [kernel, initrd, menu] = [path('KERNEL_PATH'), path('INITRD_PATH'), path('GRUBCFG_PATH')]
  return { device, fsType: fsType || 'ext4', kernel, initrd, commandLine, menu }
}

async function completed(line: string, request: Request, uuid: () => Promise<string>): Promise<string> {
  if (request.commandLine) return request.commandLine
  if (/(^| )root=/.test(line)) return line
  const found = (await uuid()).trim()
  if (!found) throw new Error(`${request.device} has no UUID: CMD_LINE with root= expected`)
  return `root=UUID=${found} ${line || 'ro'}`
}

const isRoot = (root: string) => isThere(root, '/etc').then(Boolean)

async function findStart(root: string, request: Request, run: ActionRun): Promise<Start> {
  const menu = await readMenu(root, request)
  if (typeof menu === 'string') run.log(menu)
  const entry = typeof menu === 'string' ? undefined : menu.entry
  if (request.kernel) {
    const kernel = await oneOf(root, [request.kernel], 'KERNEL_PATH')
    const initrds = await initrdsOf(root, kernel, request, entry)
    return { kernel, initrds, commandLine: entry?.commandLine ?? '', how: 'KERNEL_PATH' }
  }
  if (entry && typeof menu !== 'string') {
    const kernel = await oneOf(root, placesOf(entry.kernel), menu.path)
    const initrds = await initrdsOf(root, kernel, request, entry)
    return { kernel, initrds, commandLine: entry.commandLine, how: `${menu.path}, "${entry.title}"` }
  }
  for (const folder of kernelFolders) {
    const { path } = await resolveInside(root, folder)
    const name = newestKernel(await readdir(join(root, path)).catch(() => []))
    if (name === undefined) continue
    const kernel = join(folder, name)
    return {
      kernel,
      initrds: await initrdsOf(root, kernel, request, undefined),
      commandLine: '',
      how: 'the newest kernel',
    }
  }
  const tried = [
    ...(request.menu ? [request.menu] : menus),
    ...kernelFolders.map((at) => join(at, 'vmlinuz-*')),
  ]
  throw new Error(`no kernel found on ${request.device}: tried ${tried.join(', ')}`)
}

/** @returns the menu's default entry, or why there is none */
async function readMenu(
  root: string,
  request: Request,
): Promise<{ path: string; entry: BootEntry } | string> {
  const paths = request.menu ? [request.menu] : menus
  for (const path of paths) {
    const text = await readInside(root, path)
    if (text === undefined) continue
    const environment = await readInside(root, join(dirname(path), 'grubenv'))
    const entry = defaultEntry(text, parseGrubEnvironment(environment ?? ''))
    return entry ? { path, entry } : `${path} has no entry that starts Linux`
  }
  if (request.menu && !request.kernel)
    throw new Error(`GRUBCFG_PATH: ${request.device} has no ${request.menu}`)
  return `no menu of GRUB: ${paths.join(', ')} are not there`
}

async function initrdsOf(
  root: string,
  kernel: string,
  request: Request,
  entry: BootEntry | undefined,
): Promise<string[]> {
  if (request.initrd) return [await oneOf(root, [request.initrd], 'INITRD_PATH')]
  const fromMenu = entry && (!request.kernel || placesOf(entry.kernel).includes(request.kernel))
  if (fromMenu) return Promise.all(entry.initrds.map((path) => oneOf(root, placesOf(path), 'the initrd')))
  const real = (await resolveInside(root, kernel)).path
  for (const name of initrdNames(kernelVersion(basename(real)))) {
    const path = join(dirname(real), name)
    if (await isThere(root, path)) return [path]
  }
  return []
}

/** The first of the paths that is a file. */
async function oneOf(root: string, paths: readonly string[], what: string): Promise<string> {
  for (const path of paths) if ((await isThere(root, path))?.isFile()) return path
  throw new Error(`${what}: there is no ${paths.join(' and no ')}`)
}

async function isThere(root: string, path: string) {
  const inside = await resolveInside(root, path)
  return lstat(join(root, inside.path)).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new Error(`${path} cannot be read: ${messageOf(error).replaceAll(root, '')}`, { cause: error })
  })
}

async function readInside(root: string, path: string): Promise<string | undefined> {
  const found = await isThere(root, path)
  if (!found?.isFile()) return undefined
  if (found.size > longestMenu) throw new Error(`${path} has ${found.size} bytes: no menu is that long`)
  return readFile(join(root, (await resolveInside(root, path)).path), 'utf8').catch((error: unknown) => {
    throw new Error(`${path} cannot be read: ${messageOf(error).replaceAll(root, '')}`, { cause: error })
  })
}

/** With the system call that checks signatures, else with the older one. */
async function load(root: string, start: Start, run: ActionRun, { commands }: Machine): Promise<void> {
  const outside = async (path: string) => join(root, (await resolveInside(root, path)).path)
  const folder = await mkdtemp(join(tmpdir(), 'kexec-'))
  try {
    const initrds = await Promise.all(start.initrds.map(outside))
    const initrd = initrds.length > 1 ? await joined(initrds, join(folder, 'initrd')) : initrds[0]
    const words = [`--command-line=${start.commandLine}`, await outside(start.kernel)]
    if (initrd !== undefined) words.unshift(`--initrd=${initrd}`)
    const faults: string[] = []
    for (const call of ['-s', '-c']) {
      try {
        await commands.run('kexec', [call, '-l', ...words], run.signal)
        return
      } catch (error) {
        run.signal.throwIfAborted()
        const said = error instanceof CommandFault ? error.said : messageOf(error)
        faults.push(`kexec ${call}: ${said.replaceAll(root, '')}`)
      }
    }
    throw new Error(`this system did not take ${start.kernel}: ${faults.join('; ')}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The kernel unpacks archives one after the other when each begins at a multiple of 4 bytes. */
async function joined(paths: readonly string[], target: string): Promise<string> {
  for (const path of paths) {
    await pipeline(createReadStream(path), createWriteStream(target, { flags: 'a' }))
    await truncate(target, Math.ceil((await stat(target)).size / 4) * 4)
  }
  return target
}
