/** One entry of an archive; `mode` has permission bits only. Parents come before their children. */
export type CpioEntry =
  | { kind: 'directory'; path: string; mode: number }
  | { kind: 'file'; path: string; mode: number; data: Uint8Array }

/**
 * An archive in cpio's "newc" format (Linux Documentation/driver-api/early-userspace/buffer-format.rst), owned by root,
 * with times at zero: what the kernel unpacks as an initramfs, alone or behind another one.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  const parts = entries.map((entry, index) => record(entry, index + 1))
  return concat([...parts, header({ ino: 0, mode: 0, links: 1, size: 0, path: 'TRAILER!!!' })])
}

function record(entry: CpioEntry, ino: number): Uint8Array {
  const { path } = entry
  if (entry.kind === 'directory') return header({ ino, mode: 0o040000 | entry.mode, links: 2, size: 0, path })
  const { data } = entry
  const head = header({ ino, mode: 0o100000 | entry.mode, links: 1, size: data.length, path })
  return concat([head, padded(data)])
}

function header(fields: {
  ino: number
  mode: number
  links: number
  size: number
  path: string
}): Uint8Array {
  const name = new TextEncoder().encode(`${fields.path}\0`)
  const { ino, mode, links, size } = fields
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const numbers = [ino, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name.length, 0]
  const text = `070701${numbers.map((value) => value.toString(16).padStart(8, '0')).join('')}`
  return padded(concat([new TextEncoder().encode(text), name]))
}

/** `bytes` with zeros up to the next multiple of 4. */
function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4)
  whole.set(bytes)
  return whole
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}
