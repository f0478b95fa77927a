import { existsSync } from 'node:fs'
import { lstat, mkdir, rmdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { resolveInside } from '../inside.ts'
import { LineGate } from '../lines.ts'
import { SandboxFault } from '../sandbox.ts'
import type { Sandbox } from '../sandbox.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'
import { isTrue } from './environment.ts'

type Request = {
  /** '' for none: the commands run in this system, and /mountAction is an empty folder in RAM */
  device: string
  fsType: string
  chroot: boolean
  resolvConf: boolean
  /** programs with their arguments, one after the other */
  commands: readonly (readonly string[])[]
}

/** Where Tinkerbell's cexec mounts the file system; commands without CHROOT refer to it. */
const mountPoint = '/mountAction'
const resolvConf = '/etc/resolv.conf'
/** The kernel takes 128 KiB for one argument of a program. */
const longestScript = 120_000

/**
 * Runs commands with a file system of the disk: as its root folder with CHROOT (any text), else in this system with the
 * file system at /mountAction. Environment as in Tinkerbell's cexec: BLOCK_DEVICE, FS_TYPE, CMD_LINE,
 * DEFAULT_INTERPRETER, UPDATE_RESOLV_CONF; JSON_OUTPUT is accepted. Without an interpreter the command line is cut at
 * `;` and blanks, quotes mean nothing, and what follows a failed command is left out. All of the environment reaches
 * the commands. With neither BLOCK_DEVICE nor FS_TYPE nor CHROOT in it they run in this system alone.
 */
export async function cexec(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const request = parseRequest(run.environment)
  const work = workOf(request, run.environment)
  const device = await deviceOf(request, run, machine)
  run.log(`${device.where} (${request.fsType}): ${beginning(run.environment['CMD_LINE'] ?? '')}`)
  let last = ''
  const gate = new LineGate(
    (line) => run.log(line),
    () => machine.clock.now(),
  )
  const line = (text: string) => gate.push((last = text))
  const settling = setInterval(() => gate.settle(), 1000)
  try {
    const plan = { device: device.path, fsType: request.fsType, readOnly: false, folder: mountPoint }
    const prepare = request.chroot ? prepareChroot : prepareBeside
    const code = await machine.mounts
      .sandbox({ ...plan, prepare, work }, { signal: run.signal, line }, (box) =>
        request.chroot ? inChroot(box, request, run) : box.run(''),
      )
      .finally(() => gate.flush())
    if (code !== 0) throw new Error(`${ending(code)}${last && `: ${last}`}`)
    return { message: `the command succeeded ${device.where}` }
  } catch (error) {
    if (error instanceof SandboxFault) throw new Error(`nothing was run: ${error.message}`, { cause: error })
    throw error
  } finally {
    clearInterval(settling)
  }
}

async function deviceOf({ device, chroot }: Request, { signal }: ActionRun, { disks }: Machine) {
  if (!device) return { path: 'none', where: 'in the netboot OS' }
  const { path } = await disks.inspect(device, signal)
  return { path, where: `${chroot ? 'in' : 'beside'} ${path}` }
}

/** A script is not told as a whole. */
function beginning(script: string): string {
  const [first = '', ...more] = script.trim().split('\n')
  return more.length > 0 ? `${first} …` : first
}

const diskWords = ['BLOCK_DEVICE', 'FS_TYPE', 'CHROOT']

function ending(code: number): string {
  if (code === 126 || code === 127) return `the command could not be run (code ${code})`
  return `the command ended with code ${code}${code > 128 ? `, as by signal ${code - 128}` : ''}`
}

function parseRequest(environment: Readonly<Record<string, string>>): Request {
  const { BLOCK_DEVICE: device = '', FS_TYPE: fsType = '', CMD_LINE: line = '' } = environment
  const isAlone = !diskWords.some((word) => Object.hasOwn(environment, word))
  if (!device && !isAlone) throw new Error('BLOCK_DEVICE is not set: a partition such as /dev/sda1 expected')
  if (!isAlone && !/^[\w.-]+$/.test(fsType))
    throw new Error(`FS_TYPE is "${fsType}": a file system such as ext4 expected`)
  const interpreter = words(environment['DEFAULT_INTERPRETER'] ?? '')
  const commands = interpreter.length
    ? [[...interpreter, line]]
    : line
        .split(';')
        .map(words)
        .filter((command) => command.length)
  if (!line.trim() || !commands.length) throw new Error('CMD_LINE is empty: a command expected')
  return {
    device,
    fsType: isAlone ? 'tmpfs' : fsType,
    chroot: Boolean(environment['CHROOT']),
    resolvConf: isTrue(environment['UPDATE_RESOLV_CONF']),
    commands,
  }
}

const words = (text: string) => text.split(/\s+/).filter(Boolean)

const ordinary = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
}

/** The shell commands that run the request's commands with nothing but the action's environment. */
function workOf({ commands, chroot }: Request, environment: Readonly<Record<string, string>>): string {
  const variables = Object.entries({ ...ordinary, ...environment }).map(([name, value]) => {
    if (!/^[A-Za-z_][^=]*$/.test(name)) throw new Error(`"${name}" is no name of an environment variable`)
    return quoted(`${name}=${value}`)
  })
  const where = chroot ? '"$chroot" "$folder" "$@"' : '"$@"'
  const work = [
    'chroot=chroot IFS=:',
    'for place in $PATH; do [ -x "$place/chroot" ] && chroot=$place/chroot && break; done',
    `inside() { env -i ${variables.join(' ')} ${where}; }`,
    'cd /',
    commands.map((command) => `inside ${command.map(quoted).join(' ')}`).join(' && '),
  ].join('\n')
  if (Buffer.byteLength(work) > longestScript) throw new Error('CMD_LINE and the environment are too long')
  if (work.includes('\0')) throw new Error('CMD_LINE or the environment has a zero byte')
  return work
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** Links that programs expect; without udev nobody has made them. */
const links = `
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
[ -e /dev/stdin ] || ln -s /proc/self/fd/0 /dev/stdin
[ -e /dev/stdout ] || ln -s /proc/self/fd/1 /dev/stdout
[ -e /dev/stderr ] || ln -s /proc/self/fd/2 /dev/stderr
[ -d /dev/shm ] || mkdir /dev/shm
`

const prepareBeside = `${links}\nmount -n -t proc proc /proc`

/** `$target` is the file that /etc/resolv.conf leads to, seen from the new root; /run is empty before a system starts. */
const prepareChroot = `${links}
mount -n --rbind /dev "$folder/dev" &&
mount -n --rbind /sys "$folder/sys" &&
mount -n -t proc proc "$folder/proc" &&
mount -n -t tmpfs -o mode=1777 shm "$folder/dev/shm" &&
case $target in
'') ;;
/run/*)
  mount -n -t tmpfs -o mode=0755 run "$folder/run" &&
  mkdir -p "$(dirname "$folder$target")" &&
  : > "$folder$target" &&
  mount -n --bind ${resolvConf} "$folder$target"
  ;;
*) mount -n --bind ${resolvConf} "$folder$target" ;;
esac &&
{ [ -z "$target" ] || mount -n -o remount,bind,ro "$folder$target"; }
`

async function inChroot(box: Sandbox, request: Request, run: ActionRun): Promise<number> {
  for (const folder of ['dev', 'proc', 'sys']) {
    const found = await lstat(join(box.root, folder)).catch(() => undefined)
    if (!found?.isDirectory())
      throw new Error(`${request.device} has no folder /${folder}: CHROOT needs a system's root file system`)
  }
  if (!request.resolvConf) return box.run('')
  if (!existsSync(resolvConf)) {
    run.log(`UPDATE_RESOLV_CONF: this system has no ${resolvConf}; nothing is changed`)
    return box.run('')
  }
  const { path, undo } = await placeForResolvConf(box.root)
  return box.run(path).finally(undo)
}

/**
 * The file on which the agent's resolv.conf is laid. The disk keeps its own; a file that is missing is made, because
 * something must be there to lay it on.
 */
async function placeForResolvConf(root: string): Promise<{ path: string; undo: () => Promise<void> }> {
  const { path, missing } = await resolveInside(root, resolvConf)
  if (path.includes('\n')) throw new Error(`${resolvConf} leads to a path with a line feed`)
  const kept = { path, undo: async () => undefined }
  if (path.startsWith('/run/') && (await isFolder(join(root, 'run')))) return kept
  if (await lstat(join(root, path)).catch(() => undefined)) return kept
  for (const folder of missing) await mkdir(join(root, folder))
  await writeFile(join(root, path), '', { flag: 'wx' })
  return {
    path,
    async undo() {
      await unlink(join(root, path)).catch(() => undefined)
      for (const folder of missing.toReversed()) await rmdir(join(root, folder)).catch(() => undefined)
    },
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() ?? false
}
