/**
 * What the installed system says of its own work (Equinix Metal's "User State"): a POST of JSON to `user_state_url`.
 * `code` is 1000 to 1099 there, `message` free text; both may be missing.
 */
export type UserState = { state: (typeof states)[number]; code?: number; message?: string }

const states = ['running', 'succeeded', 'failed'] as const
const maxMessage = 200

/** @returns what is wrong, when the body is none */
export function parseUserState(body: string): UserState | string {
  const said = parsed(body)
  if (!said) return 'the body is not a JSON object'
  const { state, code, message } = said
  const known = states.find((one) => one === state)
  if (!known) return `state is ${shown(state)}, not one of ${states.join(', ')}`
  if (code !== undefined && !(Number.isInteger(code) && Number(code) >= 0 && Number(code) < 1e9))
    return `code is ${shown(code)}, not a whole number from 1000 to 1099`
  if (message !== undefined && typeof message !== 'string') return `message is ${shown(message)}, not a text`
  return {
    state: known,
    ...(code !== undefined && { code: Number(code) }),
    ...(message && { message: message.slice(0, maxMessage) }),
  }
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'missing').slice(0, 60)

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
