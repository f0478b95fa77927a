/** What a tar archive says of one file. Paths are as written there. */
export type TarHeader = {
  path: string
  kind: 'file' | 'link' | 'symlink' | 'character' | 'block' | 'folder' | 'fifo'
  /** of the file's contents, which follow */
  bytes: number
  /** permission bits, with set-uid, set-gid and sticky */
  mode: number
  uid: number
  gid: number
  /** seconds since 1970 */
  modified: number
  /** where a link leads */
  target: string
  /** of a device */
  major: number
  minor: number
  /** extended attributes */
  attributes: ReadonlyMap<string, Buffer>
}

/** A header block as read: the letter is its type flag (POSIX.1-2017 pax, "ustar Interchange Format"). */
export type RawHeader = Omit<TarHeader, 'kind' | 'attributes'> & { flag: string }

export const blockBytes = 512

const kinds: Readonly<Record<string, TarHeader['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'folder',
  '6': 'fifo',
}

/**
 * @param block 512 bytes
 * @returns `undefined` for a block of zeros, which ends an archive
 * @throws Error when its checksum is wrong: this is no tar archive, or a damaged one
 */
export function parseHeader(block: Buffer): RawHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0)
  if (number(block, 148, 8) !== sum) throw new Error('no tar archive, or a damaged one: a header is wrong')
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0'
  const prefix = isPosix ? text(block, 345, 155) : ''
  const name = text(block, 0, 100)
  return {
    path: prefix ? `${prefix}/${name}` : name,
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    bytes: number(block, 124, 12),
    modified: number(block, 136, 12),
    flag: String.fromCharCode(block[156] ?? 0),
    target: text(block, 157, 100),
    major: number(block, 329, 8),
    minor: number(block, 337, 8),
  }
}

/** The header with what extended headers say of it (pax §Extended Header; GNU's long names come as `path`, `linkpath`). */
export function completeHeader(raw: RawHeader, records: ReadonlyMap<string, Buffer>): TarHeader {
  const said = (name: string) => records.get(name)?.toString()
  const amount = (name: string, otherwise: number) => {
    const value = Number(said(name) ?? otherwise)
    if (!Number.isFinite(value)) throw new Error(`tar archive: ${name} is "${said(name)}": a number expected`)
    return value
  }
  const path = said('path') ?? raw.path
  const isSparse = raw.flag === 'S' || [...records.keys()].some((name) => name.startsWith('GNU.sparse.'))
  if (isSparse) throw new Error(`tar archive: ${path} is stored as a sparse file, which is not supported`)
  const kind = raw.flag === '0' || raw.flag === '\0' ? plainKind(path) : kinds[raw.flag]
  if (!kind) throw new Error(`tar archive: ${path} is of an unknown type "${raw.flag}"`)
  const bytes = amount('size', raw.bytes)
  if (!Number.isSafeInteger(bytes) || bytes < 0)
    throw new Error(`tar archive: ${path} has an impossible size (${bytes})`)
  return {
    path,
    kind,
    bytes: kind === 'file' ? bytes : 0,
    mode: raw.mode,
    uid: amount('uid', raw.uid),
    gid: amount('gid', raw.gid),
    modified: amount('mtime', raw.modified),
    target: said('linkpath') ?? raw.target,
    major: raw.major,
    minor: raw.minor,
    attributes: attributesOf(records),
  }
}

/** Archives from before POSIX mark folders by a slash. */
const plainKind = (path: string) => (path.endsWith('/') ? 'folder' : 'file')

const attributePrefix = 'SCHILY.xattr.'

function attributesOf(records: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const found = [...records].filter(([name]) => name.startsWith(attributePrefix))
  return new Map(found.map(([name, value]) => [name.slice(attributePrefix.length), value]))
}

/** Records of an extended header: `LENGTH KEY=VALUE\n`, the length in bytes and of the whole record. */
export function parseRecords(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < bytes.length;) {
    const blank = bytes.indexOf(0x20, at)
    const length = Number(bytes.toString('latin1', at, blank))
    const equals = bytes.indexOf(0x3d, blank)
    const end = at + length
    if (blank < 0 || !(length > 0) || end > bytes.length || equals < 0 || equals >= end)
      throw new Error('tar archive: an extended header is damaged')
    records.set(bytes.toString('utf8', blank + 1, equals), bytes.subarray(equals + 1, end - 1))
    at = end
  }
  return records
}

function text(block: Buffer, from: number, length: number): string {
  const field = block.subarray(from, from + length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? length : end)
}

/** Octal digits, or GNU's base 256 with the first bit set. */
function number(block: Buffer, from: number, length: number): number {
  const field = block.subarray(from, from + length)
  if (((field[0] ?? 0) & 0x80) === 0) {
    const digits =
      field
        .toString('latin1')
        .replace(/[\0 ]+/g, ' ')
        .trim()
        .split(' ')[0] ?? ''
    return Number.parseInt(digits || '0', 8)
  }
  const isNegative = field[0] === 0xff
  let value = isNegative ? -1n : BigInt((field[0] ?? 0) & 0x7f)
  for (const byte of field.subarray(1)) value = (value << 8n) | BigInt(byte)
  return Number(value)
}
