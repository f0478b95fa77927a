import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
  scryptSync,
} from 'node:crypto'
import type { Zone } from '../go-time.ts'
import { utc } from '../go-time.ts'
import { TemplateError } from '../limits.ts'
import type { Outside } from '../outside.ts'

const cipher = 'aes-256-cbc'
const vectorBytes = 16
const keyBytes = 32
const scryptMemory = 64 * 1024 * 1024

/** The outside as this process has it. */
export function processOutside(
  env: Readonly<Record<string, string | undefined>>,
  now: () => number,
): Outside {
  return {
    now,
    zoneAt,
    randomBytes,
    uuid: randomUUID,
    env: (name) => (Object.hasOwn(env, name) ? env[name] : undefined),
    privateKey,
    scrypt: (password, salt) =>
      scryptSync(password, salt, 64, { N: 32768, r: 8, p: 2, maxmem: scryptMemory }),
    hmacSha256: (key, message) => createHmac('sha256', key).update(message).digest(),
    encryptAes: (password, text) => {
      const vector = randomBytes(vectorBytes)
      const sealing = createCipheriv(cipher, keyOf(password), vector)
      return Buffer.concat([vector, sealing.update(text, 'utf8'), sealing.final()]).toString('base64')
    },
    decryptAes,
  }
}

function keyOf(password: string): Buffer {
  const key = Buffer.alloc(keyBytes)
  Buffer.from(password).copy(key)
  return key
}

function decryptAes(password: string, text: string): string {
  const sealed = Buffer.from(text, 'base64')
  try {
    const opening = createDecipheriv(cipher, keyOf(password), sealed.subarray(0, vectorBytes))
    return Buffer.concat([opening.update(sealed.subarray(vectorBytes)), opening.final()]).toString()
  } catch {
    // OpenSSL's message says nothing that helps, and the text may be a secret.
    throw new TemplateError('text was not encrypted with this password')
  }
}

/** RSA is left out: a key of 4096 bits takes seconds, in which the server would answer nobody. */
function privateKey(type: string): string | undefined {
  if (type === 'ecdsa')
    return generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'sec1', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    }).privateKey
  if (type !== 'ed25519') return undefined
  return generateKeyPairSync('ed25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey
}

function zoneAt(name: string, epochMs: number): Zone | undefined {
  if (name === 'UTC' || name === '') return utc
  const zone = name === 'Local' ? {} : { timeZone: name }
  try {
    const offset = partOf(new Intl.DateTimeFormat('en-US', { ...zone, timeZoneName: 'longOffset' }), epochMs)
    const short = partOf(new Intl.DateTimeFormat('en-US', { ...zone, timeZoneName: 'short' }), epochMs)
    const [, sign, hours = '0', minutes = '0'] = /^GMT([+-])(\d\d):(\d\d)/.exec(offset) ?? []
    const seconds = (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60)
    if (seconds === 0 && (short === 'UTC' || short === 'GMT')) return utc
    return { offset: seconds, name: short.startsWith('GMT') ? `${sign}${hours}` : short }
  } catch {
    return undefined
  }
}

function partOf(format: Intl.DateTimeFormat, epochMs: number): string {
  return format.formatToParts(epochMs).find(({ type }) => type === 'timeZoneName')?.value ?? ''
}
