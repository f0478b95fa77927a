import { randomFillSync } from 'node:crypto'
import { open, stat } from 'node:fs/promises'

const mebibyte = 1 << 20

/** Makes a file of so many octets that is in the page cache, unless it is there. Its octets are no hole and not alike. */
export async function makeFile(path: string, size: number): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.size === size) return
  const file = await open(path, 'w')
  const part = randomFillSync(Buffer.alloc(mebibyte))
  for (let at = 0; at < size; at += part.length) await file.write(part, 0, Math.min(part.length, size - at))
  await file.close()
}
