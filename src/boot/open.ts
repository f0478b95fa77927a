import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readFile, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { messageOf } from '../model/error.ts'
import { systemClock } from '../model/clock.ts'
import type { Clock } from '../model/clock.ts'
import type { Logger } from '../log.ts'
import { rootFile, tftpFile } from './files.ts'
import type { BootFile } from './files.ts'
import { scriptTextNames } from './script.ts'
import type { ScriptTexts } from './script.ts'
import { createSay } from './say.ts'
import type { Say } from './say.ts'

/** An open file of fixed size. `read` may return fewer bytes than asked for at the end of the file, never more. */
export type OpenFile = {
  size: number
  /** the system's, when the file is there as it is to be sent */
  number?: number | undefined
  /** epoch ms */
  modified: number
  /** letters and digits, others whenever the file is another one or was written to */
  version: string
  /** whether what was read before `end` is right: nobody wrote to the file since it was opened */
  isUnchanged(end: number): Promise<boolean>
  read(offset: number, length: number): Promise<Uint8Array>
  /** fills `buffer` from its start with at most `length` bytes; 0 means the end of the file */
  readInto(buffer: Uint8Array, offset: number, length: number): Promise<number>
  close(): Promise<void>
}

export type BootFiles = {
  /** `undefined` when there is no such regular file below its directory */
  open(file: BootFile): Promise<OpenFile | undefined>
  /** the file that a TFTP client means by `name` */
  openBootFile(name: string): Promise<OpenFile | undefined>
  /** the file of that path in the folder of assets */
  openAsset(path: string): Promise<OpenFile | undefined>
}

export type BootFilesDeps = {
  ipxeDir: string
  osDir: string
  imageDir: string
  /** files of the operator for TFTP clients; none when left out or empty */
  assetDir?: string
  texts: ScriptTexts
  log: Logger
  clock?: Clock
}

/** The files of the boot services, wherever they lie. */
export function bootFiles(deps: BootFilesDeps): BootFiles {
  const say = createSay(deps.log, deps.clock ?? systemClock)
  const roots = { ipxe: deps.ipxeDir, os: deps.osDir, image: deps.imageDir, asset: deps.assetDir ?? '' }
  const openOne = async (file: BootFile) =>
    file.root === 'text' ? openText(deps.texts.autoexec) : openBelow(roots[file.root], file.path, say)
  return {
    open: openOne,
    openBootFile: async (name) => {
      const file = tftpFile(name)
      return file && openOne(file)
    },
    openAsset: async (path) => {
      const file = rootFile('asset', path)
      return deps.assetDir && file ? openOne(file) : undefined
    },
  }
}

/** Reads the script texts from `directory` (the project's `ipxe/`). */
export async function readScriptTexts(directory: string): Promise<ScriptTexts> {
  const entries = scriptTextNames.map(
    async (name) => [name, await readFile(join(directory, `${name}.ipxe`), 'utf8')] as const,
  )
  return Object.fromEntries(await Promise.all(entries)) as ScriptTexts
}

const absent: readonly unknown[] = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENAMETOOLONG', 'ENXIO']

async function openBelow(root: string, path: string, say: Say): Promise<OpenFile | undefined> {
  try {
    const [realRoot, real] = await Promise.all([realpath(root), realpath(join(root, path))])
    if (!real.startsWith(realRoot + sep)) return undefined
    return await openRegular(real)
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (!absent.includes(code)) say('error', { path, why: messageOf(error) }, 'boot file is not readable')
    return undefined
  }
}

async function openRegular(path: string): Promise<OpenFile | undefined> {
  // NONBLOCK: opening a pipe without a writer would wait for ever. NOFOLLOW: the path was resolved just before.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  const look = () => handle.stat({ bigint: true })
  const stats = await look().catch(async (error: unknown) => {
    await handle.close()
    throw error
  })
  if (!stats.isFile()) {
    await handle.close()
    return undefined
  }
  const readInto = async (buffer: Uint8Array, offset: number, length: number) =>
    (await handle.read(buffer, 0, Math.min(length, buffer.length), offset)).bytesRead
  const { ino, mtimeNs, ctimeNs } = stats
  const size = Number(stats.size)
  return {
    size,
    number: handle.fd,
    modified: Number(stats.mtimeMs),
    // sizes and even times of two images may be alike: tools that build them fix both; the inode's own time is not theirs
    version: [ino, stats.size, mtimeNs, ctimeNs].map((part) => part.toString(36)).join('-'),
    isUnchanged: async () => {
      const now = await look()
      return now.size === stats.size && now.mtimeNs === mtimeNs
    },
    readInto,
    read: async (offset, length) => {
      const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, size - offset)))
      return buffer.subarray(0, await readInto(buffer, offset, buffer.length))
    },
    close: () => handle.close(),
  }
}

/** A file that is nowhere but in memory. */
export function openText(text: string): OpenFile {
  const bytes = new TextEncoder().encode(text)
  return {
    size: bytes.length,
    modified: 0,
    version: createHash('sha256').update(bytes).digest('hex').slice(0, 32),
    isUnchanged: () => Promise.resolve(true),
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
    readInto: (buffer, offset, length) => {
      const part = bytes.subarray(offset, offset + Math.min(length, buffer.length))
      buffer.set(part)
      return Promise.resolve(part.length)
    },
    close: () => Promise.resolve(),
  }
}
