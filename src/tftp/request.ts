import { errorCodes } from './packet.ts'
import type { TftpPacket } from './packet.ts'

export type Request = Extract<TftpPacket, { op: 'read' | 'write' }>

/** Why a request is not served, whatever it names. Mode `mail` is obsolete (RFC 1350 §5). */
export function refusalOf(request: Request): { code: number; message: string } | undefined {
  if (request.op === 'write') return { code: errorCodes.accessViolation, message: 'this server is read-only' }
  if (request.mode === 'octet' || request.mode === 'netascii') return undefined
  return { code: errorCodes.illegalOperation, message: 'transfer mode must be octet or netascii' }
}

/** A text from the network for logs and timelines: short, without control characters. */
export function shown(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}]/gu, '?')
  return clean.length > 120 ? `${clean.slice(0, 119)}…` : clean
}
