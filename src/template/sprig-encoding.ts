import { fn } from './func.ts'
import type { FuncTable } from './func.ts'
import { TemplateError } from './limits.ts'
import { adler32, hexOf, sha1, sha256, sha512 } from './sha.ts'
import { bytesOf, textOfBytes } from './value.ts'

/** Sprig's base32, base64 and checksums, of a text's UTF-8 bytes. */
export const encodingFunctions: FuncTable = {
  b64enc: fn(['string'], (text) => base64(bytesOf(text))),
  b64dec: fn(['string'], base64Decode),
  b32enc: fn(['string'], (text) => base32(bytesOf(text))),
  b32dec: fn(['string'], base32Decode),
  sha1sum: fn(['string'], (text, spend) => hexOf(sha1(paid(text, spend, 16)))),
  sha256sum: fn(['string'], (text, spend) => hexOf(sha256(paid(text, spend, 16)))),
  sha512sum: fn(['string'], (text, spend) => hexOf(sha512(paid(text, spend, 1)))),
  adler32sum: fn(['string'], (text) => String(adler32(bytesOf(text)))),
}

/** Bytes of a text, of which a step pays for so many. */
function paid(text: string, spend: (steps: number) => void, bytesPerStep: number): Uint8Array {
  const bytes = bytesOf(text)
  spend(Math.ceil(bytes.length / bytesPerStep))
  return bytes
}

export function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
}

/** Text of base64; Sprig puts the decoder's complaint into the output, we make it a fault. */
function base64Decode(text: string): string {
  const plain = text.replace(/[\r\n]/g, '')
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(plain)) {
    throw new TemplateError('text is not base64')
  }
  return textOfBytes(Uint8Array.from(atob(plain), (char) => char.charCodeAt(0)))
}

const base32Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** RFC 4648 §6, padded */
function base32(bytes: Uint8Array): string {
  let out = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    for (bits += 8; bits >= 5; bits -= 5) out += base32Digits[(held >> (bits - 5)) & 31] ?? ''
  }
  if (bits > 0) out += base32Digits[(held << (5 - bits)) & 31] ?? ''
  return out + '='.repeat((8 - (out.length % 8)) % 8)
}

function base32Decode(text: string): string {
  const plain = text.replace(/[\r\n]/g, '')
  if (!/^(?:[A-Z2-7]{8})*(?:[A-Z2-7]{2}={6}|[A-Z2-7]{4}={4}|[A-Z2-7]{5}={3}|[A-Z2-7]{7}=)?$/.test(plain))
    throw new TemplateError('text is not base32')
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const digit of plain.replace(/=+$/, '')) {
    held = ((held << 5) | base32Digits.indexOf(digit)) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((held >> bits) & 0xff)
  }
  return textOfBytes(Uint8Array.from(bytes))
}
