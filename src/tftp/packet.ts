/** TFTP messages (RFC 1350 §5, RFC 2347). Block numbers are as on the wire, 0–65535; option names are lower case. */
export type TftpPacket =
  | { op: 'read' | 'write'; file: string; mode: string; options: ReadonlyMap<string, string> }
  | { op: 'data'; block: number; data: Uint8Array }
  | { op: 'ack'; block: number }
  | { op: 'error'; code: number; message: string }
  | { op: 'oack'; options: ReadonlyMap<string, string> }

const opcodes = { read: 1, write: 2, data: 3, ack: 4, error: 5, oack: 6 } as const

/** RFC 1350 §5, RFC 2347 */
export const errorCodes = {
  other: 0,
  notFound: 1,
  accessViolation: 2,
  illegalOperation: 4,
  unknownTransfer: 5,
  optionsRefused: 8,
} as const

/** room for a path and the options that exist; RFC 2347 §2 allows a request 512 octets */
const longestRequest = 1024

/** @returns the message, or the reason why it is none. Never reads past the end of `bytes`, and shares its memory. */
export function parse(bytes: Uint8Array): TftpPacket | string {
  if (bytes.length < 4) return `${bytes.length} octets are too short for a TFTP message`
  const opcode = bytes[0]! * 256 + bytes[1]!
  const number = bytes[2]! * 256 + bytes[3]!
  switch (opcode) {
    case opcodes.read:
    case opcodes.write:
      return request(opcode === opcodes.read ? 'read' : 'write', bytes.subarray(2))
    case opcodes.data:
      return { op: 'data', block: number, data: bytes.subarray(4) }
    case opcodes.ack:
      return { op: 'ack', block: number }
    case opcodes.error:
      return { op: 'error', code: number, message: texts(bytes.subarray(4))[0] ?? '' }
    case opcodes.oack:
      return { op: 'oack', options: pairs(texts(bytes.subarray(2))) }
    default:
      return `opcode ${opcode} is not TFTP's`
  }
}

function request(op: 'read' | 'write', bytes: Uint8Array): TftpPacket | string {
  if (bytes.length > longestRequest) return `a request of ${bytes.length} octets is too long`
  const [file, mode, ...options] = texts(bytes)
  if (!file || !mode) return 'a request without file name and mode'
  return { op, file, mode: mode.toLowerCase(), options: pairs(options) }
}

/** Terminated texts; what follows the last terminator (some firmware sends remains of its buffer) is left out. */
function texts(bytes: Uint8Array): string[] {
  return new TextDecoder().decode(bytes).split('\0').slice(0, -1)
}

function pairs(words: readonly string[]): Map<string, string> {
  const options = new Map<string, string>()
  for (let index = 0; index + 1 < words.length; index += 2) {
    const name = words[index]!.toLowerCase()
    if (name !== '' && !options.has(name)) options.set(name, words[index + 1]!)
  }
  return options
}

/** @returns the octets of `packet`; texts must not hold NUL */
export function encode(packet: TftpPacket): Uint8Array {
  switch (packet.op) {
    case 'read':
    case 'write':
      return worded(opcodes[packet.op], [packet.file, packet.mode, ...[...packet.options].flat()])
    case 'oack':
      return worded(opcodes.oack, [...packet.options].flat())
    case 'ack':
      return Uint8Array.of(0, opcodes.ack, packet.block >> 8, packet.block & 255)
    case 'error':
      return Uint8Array.of(0, opcodes.error, 0, packet.code, ...new TextEncoder().encode(packet.message), 0)
    case 'data':
      return Uint8Array.of(0, opcodes.data, packet.block >> 8, packet.block & 255, ...packet.data)
  }
}

/**
 * Makes DATA messages of what the last octets of `packets` hold, in place: `count` blocks from block `first` on, all of
 * `blockSize` octets but the last one, which has what is left. Before them are 4 octets for each.
 * @param first counted from 1, without wrapping
 */
export function spreadDataPackets(
  packets: Uint8Array,
  first: number,
  count: number,
  blockSize: number,
): void {
  for (let index = 0; index < count; index += 1) {
    const block = first + index
    const start = 4 * count + index * blockSize
    const at = index * (4 + blockSize)
    packets.copyWithin(at + 4, start, start + blockSize)
    packets[at] = 0
    packets[at + 1] = opcodes.data
    packets[at + 2] = (block >> 8) & 255
    packets[at + 3] = block & 255
  }
}

function worded(opcode: number, words: readonly string[]): Uint8Array {
  return Uint8Array.of(0, opcode, ...new TextEncoder().encode(words.map((word) => `${word}\0`).join('')))
}
