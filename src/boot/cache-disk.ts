import { createHash } from 'node:crypto'
import {
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  statfs,
  truncate,
  writeFile,
} from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { CacheRecord } from './cache-rules.ts'

/** The folder of the cache: `<key>.json` for each image and the data beside it. Names are hashes, never an URL's words. */
export type CacheDisk = {
  /** what is there, after a crash as well; what does not fit together is removed */
  load(): Promise<CacheRecord[]>
  /** on disk when it resolves, and never half */
  save(record: CacheRecord): Promise<void>
  remove(record: CacheRecord): Promise<void>
  openData(record: CacheRecord, flags: 'r' | 'r+' | 'w+'): Promise<FileHandle>
  /** bytes that may still be written */
  free(): Promise<number>
}

/** Name of an image in the cache: 32 hexadecimal digits. */
export const cacheKey = (url: string): string => createHash('sha256').update(url).digest('hex').slice(0, 32)

const dataName = /^[0-9a-f]{32}-[0-9a-z]{1,40}$/

export async function openCacheDisk(directory: string): Promise<CacheDisk> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const at = (name: string) => join(directory, name)
  const remove = async (record: CacheRecord) => {
    await rm(at(`${cacheKey(record.url)}.json`), { force: true })
    await rm(at(record.data), { force: true })
  }
  return {
    remove,
    load: () => loadAll(directory, remove),
    save: async (record) => {
      const path = at(`${cacheKey(record.url)}.json`)
      await writeDurably(`${path}.new`, JSON.stringify(record))
      await rename(`${path}.new`, path)
    },
    openData: ({ data }, flags) => open(at(data), flags, 0o600),
    free: async () => {
      const { bavail, bsize } = await statfs(directory)
      return bavail * bsize
    },
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600, flush: true })
}

async function loadAll(
  directory: string,
  remove: (record: CacheRecord) => Promise<void>,
): Promise<CacheRecord[]> {
  const names = await readdir(directory)
  const records: CacheRecord[] = []
  for (const name of names.filter((one) => one.endsWith('.json'))) {
    const record = await readRecord(join(directory, name))
    if (record && `${cacheKey(record.url)}.json` === name && (await fits(directory, record)))
      records.push(record)
    else if (record && dataName.test(record.data)) await remove(record)
  }
  const known = new Set(records.flatMap((record) => [`${cacheKey(record.url)}.json`, record.data]))
  const ours = (name: string) => dataName.test(name) || /^[0-9a-f]{32}\.json(\.new)?$/.test(name)
  for (const name of names.filter((one) => ours(one) && !known.has(one)))
    await rm(join(directory, name), { force: true })
  return records
}

async function readRecord(path: string): Promise<CacheRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(path, 'utf8')) as CacheRecord
    const isWhole = typeof record.url === 'string' && typeof record.data === 'string' && record.have >= 0
    return isWhole ? record : undefined
  } catch {
    return undefined
  }
}

/** Whether the data of `record` is there; what was written after it was last recorded is cut off. */
async function fits(directory: string, record: CacheRecord): Promise<boolean> {
  if (!dataName.test(record.data)) return false
  const path = join(directory, record.data)
  const size = await stat(path).then(
    (stats) => (stats.isFile() ? stats.size : -1),
    () => -1,
  )
  if (record.complete) return size === record.size
  if (size < record.have) return false
  if (size > record.have) await truncate(path, record.have)
  return true
}
