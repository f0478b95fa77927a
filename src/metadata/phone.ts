/** What an installed system says of itself when it first runs (cloud-init's phone_home). Absent texts are empty. */
export type PhoneHome = { hostname: string; instanceId: string }

/** A DNS name's length; nothing longer is a hostname. */
const maxTextLength = 253

/**
 * @param type media type of the body
 * @param body form fields `instance_id`, `hostname`, `pub_key_…`, or a JSON object with the same names
 * @returns `undefined` when the body is not what its type says
 */
export function parsePhoneHome(type: string, body: string): PhoneHome | undefined {
  const fields = /^application\/json\b/i.test(type) ? jsonFields(body) : new Map(new URLSearchParams(body))
  return fields && { hostname: text(fields.get('hostname')), instanceId: text(fields.get('instance_id')) }
}

function jsonFields(body: string): Map<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    return isObject ? new Map(Object.entries(parsed)) : undefined
  } catch {
    return undefined
  }
}

/** One line of printable text, bounded. */
function text(value: unknown): string {
  if (typeof value !== 'string') return ''
  return value
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, maxTextLength)
}
