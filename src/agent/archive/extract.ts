import {
  chmodSync,
  closeSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../../model/error.ts'
import type { Commands } from '../commands.ts'
import { hides, isBookkeeping, Places, removeUnless, thereAt } from './place.ts'
import type { TarEntry } from './tar.ts'

type Options = {
  commands: Commands
  signal: AbortSignal
  log(line: string): void
  /** whether the archive is a layer of an image, whose whiteouts take away what earlier layers have put there */
  isLayer: boolean
}

export type Extracted = { files: number; bytes: number }

/** Longest contents that are written at once. */
const smallBytes = 256 << 10

/**
 * Unpacks an archive below `root` with owners, modes, times, devices and extended attributes. What is there under the
 * same name is replaced; a folder stays and keeps its contents.
 * @throws Error naming the file that could not be placed
 */
export async function extract(
  entries: AsyncIterable<TarEntry>,
  root: string,
  options: Options,
): Promise<Extracted> {
  const work = new Work(root, options)
  for await (const entry of entries) {
    options.signal.throwIfAborted()
    await work.take(entry).catch((error: unknown) => {
      options.signal.throwIfAborted()
      throw explained(entry, root, error)
    })
  }
  work.finish()
  return work.done
}

function explained(entry: TarEntry, root: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const said = code === 'ENOSPC' ? 'no space left' : messageOf(error).replaceAll(root, '')
  return new Error(`unpacking ${entry.path}: ${said}`, { cause: error })
}

class Work {
  readonly done: Extracted = { files: 0, bytes: 0 }
  readonly #root: string
  readonly #options: Options
  readonly #places: Places
  readonly #folderTimes = new Map<string, number>()
  /** places that this archive has filled */
  readonly #mine = new Set<string>()
  #attributesLost = false

  constructor(root: string, options: Options) {
    this.#root = root
    this.#options = options
    this.#places = new Places(root)
  }

  async take(entry: TarEntry): Promise<void> {
    if (this.#options.isLayer) {
      if (isBookkeeping(entry.path)) return
      const hidden = hides(entry.path)
      if (hidden) return this.#hide(hidden)
    }
    const place = await this.#places.of(entry.path)
    this.#makeRoom(entry, place)
    await this.#put(entry, place)
    if (this.#options.isLayer) this.#own(place)
    this.done.files++
    this.done.bytes += entry.bytes
  }

  /** Times of folders change with each file that is put into them. */
  finish(): void {
    for (const [place, seconds] of this.#folderTimes)
      if (thereAt(place)?.isDirectory()) lutimesSync(place, seconds, seconds)
  }

  async #hide({ path, contentsOnly }: { path: string; contentsOnly: boolean }): Promise<void> {
    const place = await this.#places.of(path)
    if (!contentsOnly) removeUnless(place, this.#mine)
    else if (thereAt(place)?.isDirectory())
      for (const name of readdirSync(place)) removeUnless(join(place, name), this.#mine)
    this.#places.forget()
  }

  /** A folder is this layer's own as soon as something of it is in it. */
  #own(place: string): void {
    for (let at = place; at.length > this.#root.length && !this.#mine.has(at); at = join(at, '..'))
      this.#mine.add(at)
  }

  #makeRoom(entry: TarEntry, place: string): void {
    const found = thereAt(place)
    if (!found || (found.isDirectory() && entry.kind === 'folder')) return
    if (place === this.#root) throw new Error('the root of the archive is no folder')
    const isFolder = found.isDirectory()
    if (isFolder && !this.#options.isLayer && readdirSync(place).length)
      throw new Error('a folder with files in it is there')
    rmSync(place, { recursive: isFolder })
    if (isFolder || found.isSymbolicLink()) this.#places.forget()
  }

  async #put(entry: TarEntry, place: string): Promise<void> {
    if (entry.kind === 'link') return linkSync(await this.#places.of(entry.target), place)
    if (entry.kind === 'file') await write(place, entry)
    else if (entry.kind === 'symlink') symlinkSync(entry.target, place)
    else if (entry.kind === 'folder') mkdirSync(place, { recursive: true })
    else await this.#options.commands.run('mknod', nodeArguments(entry, place))
    if (entry.kind === 'symlink') this.#places.forget()
    lchownSync(place, entry.uid, entry.gid)
    if (entry.kind !== 'symlink') chmodSync(place, entry.mode)
    for (const [name, value] of entry.attributes) await this.#setAttribute(place, name, value)
    if (entry.kind === 'folder') this.#folderTimes.set(place, entry.modified)
    else lutimesSync(place, entry.modified, entry.modified)
  }

  async #setAttribute(place: string, name: string, value: Buffer): Promise<void> {
    const { commands, log } = this.#options
    try {
      await commands.run('setfattr', ['-h', '-n', name, '-v', `0x${value.toString('hex')}`, place])
    } catch (error) {
      if (!this.#attributesLost)
        log(`extended attributes are lost: ${messageOf(error).replaceAll(this.#root, '')}`)
      this.#attributesLost = true
    }
  }
}

const letters = { character: 'c', block: 'b', fifo: 'p' } as const

function nodeArguments(entry: TarEntry, place: string): string[] {
  const letter = letters[entry.kind as keyof typeof letters]
  return letter === 'p' ? [place, letter] : [place, letter, `${entry.major}`, `${entry.minor}`]
}

async function write(place: string, entry: TarEntry): Promise<void> {
  if (entry.bytes > smallBytes) return writeLong(place, entry)
  const file = openSync(place, 'wx', 0o600)
  try {
    for await (const part of entry.contents) writeWhole(file, part)
  } finally {
    closeSync(file)
  }
}

function writeWhole(file: number, part: Uint8Array): void {
  for (let done = 0; done < part.length;) done += writeSync(file, part, done)
}

async function writeLong(place: string, entry: TarEntry): Promise<void> {
  const file = await open(place, 'wx', 0o600)
  try {
    for await (const part of entry.contents) await file.writeFile(part)
  } finally {
    await file.close()
  }
}
