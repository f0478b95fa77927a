import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, chown, lstat, mkdir, open, rename, rm, rmdir, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { messageOf } from '../../model/error.ts'
import { resolveInside } from '../inside.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'
import { contentsOf } from './contents.ts'

type Request = {
  device: string
  fsType: string
  path: string
  contents: Buffer
  uid: number
  gid: number
  mode: number
  folderMode: number
}

const fsTypes = ['ext2', 'ext3', 'ext4', 'vfat', 'xfs', 'btrfs']

/**
 * Writes one file into a file system of the disk. Environment as in Tinkerbell's writefile: DEST_DISK (a partition),
 * FS_TYPE, DEST_PATH (absolute), CONTENTS (or what contents.ts knows in its place), UID, GID, MODE and DIRMODE (octal).
 * Links in DEST_PATH are followed inside that file system, as they will be once the machine runs from it.
 */
export async function writefile(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const request = { ...parseRequest(run.environment), contents: await contentsOf(run, machine) }
  const device = await machine.disks.inspect(request.device, run.signal)
  run.log(`${request.path} on ${device.path}: ${device.description}`)
  const path = await machine.mounts.during(
    device.path,
    request.fsType,
    false,
    (root) =>
      place(root, request, run).catch(async (error: unknown) => {
        throw await explained(root, { ...request, device: device.path }, error)
      }),
    run.signal,
  )
  return { message: `${path} written on ${device.path}, ${request.contents.length} bytes` }
}

function parseRequest(environment: Readonly<Record<string, string>>): Omit<Request, 'contents'> {
  const { DEST_DISK: device = '', FS_TYPE: fsType = '', DEST_PATH: path = '' } = environment
  if (!device) throw new Error('DEST_DISK is not set: a partition such as /dev/sda1 expected')
  if (!fsTypes.includes(fsType))
    throw new Error(`FS_TYPE is "${fsType}": one of ${fsTypes.join(', ')} expected`)
  if (!path.startsWith('/') || path.endsWith('/') || path.includes('\0')) {
    throw new Error(`DEST_PATH is "${path}": the absolute path of a file expected`)
  }
  if (path.split('/').includes('..')) throw new Error(`DEST_PATH is "${path}": it must not contain ".."`)
  return {
    device,
    fsType,
    path,
    uid: whole(environment, 'UID', '0', 10),
    gid: whole(environment, 'GID', '0', 10),
    mode: whole(environment, 'MODE', '0644', 8),
    folderMode: whole(environment, 'DIRMODE', '0755', 8),
  }
}

function whole(
  environment: Readonly<Record<string, string>>,
  name: string,
  unset: string,
  base: 8 | 10,
): number {
  const text = environment[name] || unset
  const valid = base === 8 ? /^(0o)?[0-7]{1,5}$/ : /^\d{1,10}$/
  if (!valid.test(text))
    throw new Error(`${name} is "${text}": ${base === 8 ? 'octal digits' : 'a number'} expected`)
  return Number.parseInt(text.replace('0o', ''), base)
}

async function place(root: string, request: Request, run: ActionRun): Promise<string> {
  const { path, missing } = await resolveInside(root, request.path)
  const target = join(root, path)
  const found = await lstat(target).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (found && !found.isFile()) throw new Error(`${path} is there and is not a file`)
  const owner = ownership(request, run)
  const made: string[] = []
  try {
    for (const folder of missing) {
      await mkdir(join(root, folder))
      made.unshift(join(root, folder))
      await owner(join(root, folder), request.folderMode)
    }
    await replace(target, request.contents, (temporary) => owner(temporary, request.mode))
  } catch (error) {
    for (const folder of made) await rmdir(folder).catch(() => undefined)
    throw error
  }
  return path
}

const meanings: Readonly<Record<string, string>> = {
  EIO: 'input/output error: the disk or the file system is damaged',
  EROFS: 'the file system takes no writes: it is damaged, or was mounted read-only',
  // EUCLEAN, which Node has no name for
  'Unknown system error -117': 'the file system is damaged',
}

/** What went wrong, in the words of the file system at hand instead of the mount point's. */
async function explained(root: string, request: Request, error: unknown): Promise<Error> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code !== 'ENOSPC' && code !== 'EDQUOT') {
    const said = messageOf(error).replaceAll(root, '')
    const means = Object.hasOwn(meanings, code) ? `: ${meanings[code]}` : ''
    return new Error(`${request.path} was not written on ${request.device}: ${said}${means}`, {
      cause: error,
    })
  }
  const { bavail, bsize, ffree, files } = await statfs(root)
  const left = files && !ffree ? 'no file more' : `${bavail * bsize} bytes`
  return new Error(
    `${request.path} was not written: it has ${request.contents.length} bytes, and ${request.device} has room for ${left}`,
    { cause: error },
  )
}

/** vfat knows neither owners nor modes: there they are logged, not required. */
function ownership({ uid, gid, fsType }: Request, run: ActionRun) {
  return async (path: string, mode: number) => {
    try {
      await chown(path, uid, gid)
      await chmod(path, mode)
    } catch (error) {
      if (fsType !== 'vfat') throw error
      run.log('vfat keeps no owner and mode; they are left out')
    }
  }
}

/**
 * The file is there whole or as before, also when the power fails. What an agent that was killed has left under the
 * temporary name, the next one replaces.
 */
async function replace(
  target: string,
  contents: Buffer,
  prepare: (path: string) => Promise<void>,
): Promise<void> {
  const name = createHash('sha256')
    .update(target.slice(target.lastIndexOf('/') + 1))
    .digest('hex')
  const temporary = join(dirname(target), `.ironwake-${name.slice(0, 16)}`)
  try {
    await rm(temporary, { force: true })
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
    try {
      await file.writeFile(contents)
      await prepare(temporary)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  const folder = await open(dirname(target), constants.O_RDONLY)
  await folder.sync().finally(() => folder.close())
}
