export type WireField = { field: number; bytes: Buffer }

/** Fields of a protobuf message in order; of numbers only the place is kept. Throws when the bytes are none. */
export function fieldsOf(message: Buffer): WireField[] {
  const fields: WireField[] = []
  let at = 0
  const varint = () => {
    for (let value = 0, shift = 1; ; shift *= 128) {
      const octet = message[at++]
      if (octet === undefined) throw new Error('cut off')
      value += (octet % 128) * shift
      if (octet < 128) return value
    }
  }
  while (at < message.length) {
    const key = varint()
    const wire = key % 8
    if (![0, 1, 2].includes(wire)) throw new Error(`wire type ${wire}`)
    const length = wire === 0 ? 0 : wire === 1 ? 8 : varint()
    if (wire === 0) varint()
    if (at + length > message.length) throw new Error('cut off')
    fields.push({ field: Math.floor(key / 8), bytes: message.subarray(at, at + length) })
    at += length
  }
  return fields
}

export const textOf = (fields: readonly WireField[], wanted: number): string =>
  String(fields.find(({ field }) => field === wanted)?.bytes ?? '')
