import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ipxeBinaries } from '../../src/boot/files.ts'
import { binaryFor, bootBinaries } from '../../src/dhcp/arch.ts'
import { readParts } from '../../src/lab/scenario.ts'
import { isCode } from '../../src/model/error.ts'

/** Every name of a network boot program: those that DHCP gives of itself, and those that a Hardware may say instead. */
export const bootNames: readonly string[] = [...new Set([...bootBinaries, ...Object.keys(ipxeBinaries)])]

/** Every architecture (option 93) that DHCP has a boot program for, and its program. */
export const bootArchs: ReadonlyMap<number, string> = new Map(
  Array.from({ length: 256 }, (_, arch) => [arch, binaryFor([arch])] as const).flatMap(([arch, name]) =>
    name ? [[arch, name] as const] : [],
  ),
)

/** A folder with all of them: iPXE as set-up has made it, otherwise files of `folder` that stand in for it. */
export async function ipxeFolder(folder: string): Promise<string> {
  try {
    return readParts().ipxeDir
  } catch (error) {
    if (!isCode(error, 'NotFound')) throw error
  }
  const dir = join(folder, 'ipxe')
  await mkdir(dir)
  const files = new Set(bootNames.map((name) => ipxeBinaries[name] ?? name))
  for (const [index, file] of [...files].entries()) {
    await writeFile(join(dir, file), randomBytes(100_000 + 77_777 * index))
  }
  return dir
}

/** Where the program of this name lies. */
export const pathOf = (ipxeDir: string, name: string): string => join(ipxeDir, ipxeBinaries[name] ?? name)

/** SHA-256 of a file, in hex. */
export const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
