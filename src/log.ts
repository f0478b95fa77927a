import { pino } from 'pino'
import type { Logger } from 'pino'

export type { Logger }

const secret = [
  'password',
  '*.password',
  'token',
  '*.token',
  'userData',
  '*.userData',
  'sessionKey',
  '*.sessionKey',
]

/**
 * The process's logger: JSON lines on standard output, or readable ones on a terminal.
 * @param level pino's level names
 * @param pretty whether a person reads along
 */
export function createLog(level: string, pretty: boolean): Logger {
  const options = { level, redact: { paths: secret, censor: '***' } }
  if (!pretty) return pino(options)
  const transport = {
    target: 'pino-pretty',
    options: { ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l', singleLine: true },
  }
  return pino({ ...options, transport })
}
