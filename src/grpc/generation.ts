/** Who wrote a ReportActionStatus: tink-agent (0.16 and later) or tink-worker (0.9 to 0.12). */
export type Generation = 'current' | 'legacy'

const wireTypes = { varint: 0, fixed64: 1, delimited: 2, fixed32: 5 } as const

/**
 * Tells the generations apart by the wire types of fields 4, 5, 6 and 10: action_id, action_name (text), action_state
 * (number) and message in an ActionStatusRequest; action_status, seconds (numbers) and message (text) in a
 * WorkflowActionStatus. Without any of them it is taken for current.
 * @returns `undefined` when `bytes` are no message, or of both generations
 */
export function generationOf(bytes: Uint8Array): Generation | undefined {
  const found = new Set<Generation>()
  let at = 0
  while (at < bytes.length) {
    const tag = varint(bytes, at)
    if (!tag) return undefined
    const field = Math.floor(tag.value / 8)
    const type = tag.value % 8
    const sign = signOf(field, type)
    if (sign) found.add(sign)
    const next = after(bytes, tag.next, type)
    if (next === undefined || next > bytes.length || field === 0) return undefined
    at = next
  }
  if (found.size === 2) return undefined
  return found.has('legacy') ? 'legacy' : 'current'
}

function signOf(field: number, type: number): Generation | undefined {
  const isText = type === wireTypes.delimited
  if (!isText && type !== wireTypes.varint) return undefined
  if (field === 4 || field === 5) return isText ? 'current' : 'legacy'
  if (field === 6) return isText ? 'legacy' : 'current'
  return field === 10 && isText ? 'current' : undefined
}

/** Where the value of this wire type that begins at `at` ends. */
function after(bytes: Uint8Array, at: number, type: number): number | undefined {
  if (type === wireTypes.varint) return varint(bytes, at)?.next
  if (type === wireTypes.fixed64) return at + 8
  if (type === wireTypes.fixed32) return at + 4
  if (type !== wireTypes.delimited) return undefined
  const length = varint(bytes, at)
  return length && length.next + length.value
}

function varint(bytes: Uint8Array, at: number): { value: number; next: number } | undefined {
  let value = 0
  for (let index = 0; index < 10; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { value, next: at + index + 1 }
  }
  return undefined
}
