import { withoutTrace } from '../model/trace-parent.ts'

/** A file that boot services hand out: which directory it lives in, and its path below that. */
export type BootFile =
  | { root: 'ipxe' | 'os' | 'image' | 'asset'; path: string }
  | { root: 'text'; path: 'autoexec.ipxe' }

/**
 * iPXE binaries by the names that firmware is given: the ones of Debian's `ipxe` package, and the names that Tinkerbell
 * uses for the same thing. A name that is not here means the file of that name beside them (signed ones, for example).
 */
export const ipxeBinaries: Readonly<Record<string, string>> = {
  'undionly.kpxe': 'undionly.kpxe',
  'ipxe.efi': 'ipxe.efi',
  'snponly.efi': 'snponly.efi',
  'ipxe-arm64.efi': 'ipxe-arm64.efi',
  'ipxe-riscv64.efi': 'ipxe-riscv64.efi',
  'ipxe-loong64.efi': 'ipxe-loong64.efi',
  'snp.efi': 'snponly.efi',
  'snp-x86_64.efi': 'snponly.efi',
  'snp-arm64.efi': 'ipxe-arm64.efi',
}

const maxNameLength = 255

/**
 * What a TFTP client's name means: `os/…` is in the OS directory, everything else goes by its last part, whatever
 * directories or MAC stand before it.
 */
export function tftpFile(name: string): BootFile | undefined {
  const plain = name.replace(/^\/+/, '')
  return plain.startsWith('os/') ? rootFile('os', plain.slice('os/'.length)) : binaryFile(plain)
}

/** What `/ipxe/binary/<name>` means: the last part of the name counts. `name` is decoded. */
export function binaryFile(name: string): BootFile | undefined {
  const parts = pathParts(name)
  const base = parts && withoutTrace(parts.at(-1)!)
  if (!base) return undefined
  if (base === 'autoexec.ipxe') return { root: 'text', path: base }
  return { root: 'ipxe', path: Object.hasOwn(ipxeBinaries, base) ? ipxeBinaries[base]! : base }
}

/** What `/os/<name>` and `/images/<name>` mean: the file of that path below its directory. `name` is decoded. */
export function rootFile(root: 'os' | 'image' | 'asset', name: string): BootFile | undefined {
  const parts = pathParts(name)
  return parts && { root, path: parts.join('/') }
}

/**
 * Decodes the percent escapes of a URL's path, once.
 * @returns `undefined` when they are malformed
 */
export function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

/** Parts that name a file below a root: none empty, none hidden (so neither `.` nor `..`), no odd characters. */
function pathParts(name: string): string[] | undefined {
  if (name.length > maxNameLength) return undefined
  const parts = name.split('/')
  return parts.every((part) => /^[A-Za-z0-9_+@:,=~ -][A-Za-z0-9._+@:,=~ -]*$/.test(part)) ? parts : undefined
}
