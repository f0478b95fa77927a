import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'

/** Names in a folder, sorted; none when it is not there. */
export async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch {
    return []
  }
}

/** What a link points at, without its folder; '' when there is no such link. */
export async function linkName(path: string): Promise<string> {
  try {
    return basename(await readlink(path))
  } catch {
    return ''
  }
}

/** Firmware leaves padding, line ends and worse in these fields; only printable text goes on. */
export const printable = (found: string): string =>
  found
    .replace(/[^\x20-\x7e\n\t]/g, '')
    .replace(/ {2,}/g, ' ')
    .trim()

/** The printable text of a file; '' when it cannot be read. */
export async function text(file: string): Promise<string> {
  try {
    return printable(await readFile(file, 'latin1'))
  } catch {
    return ''
  }
}
