import { calendarOf, parseDuration, secondsOf, durationText, utc } from './go-time.ts'
import type { Moment, Zone } from './go-time.ts'
import { fn, fnRest } from './func.ts'
import type { Func, FuncTable } from './func.ts'
import { TemplateError, checkTextLength } from './limits.ts'
import { derivedPassword } from './master-password.ts'
import { base64 } from './sprig-encoding.ts'
import { isTime, momentIn, timeValue } from './sprig-date.ts'
import { formatMoment } from './time-layout.ts'
import type { Value } from './value.ts'

/** What lies outside of a template: the server's clock, chance, environment and cryptography. */
export type Outside = {
  /** epoch ms */
  now(): number
  /** a time zone of the IANA database at a moment, `Local` for the server's own; `undefined` when there is none such */
  zoneAt(name: string, epochMs: number): Zone | undefined
  /** `count` bytes that cannot be guessed */
  randomBytes(count: number): Uint8Array
  uuid(): string
  env(name: string): string | undefined
  /** PEM of a new key; `undefined` for a type that is not offered */
  privateKey(type: string): string | undefined
  /** scrypt (RFC 7914), 64 bytes, N 32768, r 8, p 2 */
  scrypt(password: string, salt: Uint8Array): Uint8Array
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array
  /** AES-256-CBC of a text under the first 32 bytes of `password`, the vector first, in base64 */
  encryptAes(password: string, text: string): string
  decryptAes(password: string, text: string): string
}

/** What a template needs `templates.allowNonHermetic` for: its result does not follow from the template and its data. */
export const nonHermeticNames: ReadonlySet<string> = new Set([
  'ago',
  'date',
  'dateInZone',
  'date_in_zone',
  'dateModify',
  'date_modify',
  'htmlDate',
  'htmlDateInZone',
  'now',
  'randAlpha',
  'randAlphaNum',
  'randAscii',
  'randNumeric',
  'randBytes',
  'randInt',
  'shuffle',
  'uuidv4',
  'env',
  'expandenv',
  'getHostByName',
  'bcrypt',
  'htpasswd',
  'derivePassword',
  'encryptAES',
  'decryptAES',
  'genPrivateKey',
  'buildCustomCert',
  'genCA',
  'genCAWithKey',
  'genSelfSignedCert',
  'genSelfSignedCertWithKey',
  'genSignedCert',
  'genSignedCertWithKey',
])

/** Of these only the message is there: they wait for others, or take the server's time for whole seconds. */
const absent: Readonly<Record<string, string>> = {
  getHostByName: 'asks DNS, for which rendering does not wait; write the address',
  bcrypt: 'takes the server a long time; write the hash, as `mkpasswd -m bcrypt` makes it',
  htpasswd: 'takes the server a long time; write the line, as `htpasswd -nB` makes it',
  buildCustomCert: 'is not offered; put certificates into user data',
  ...Object.fromEntries(
    ['genCA', 'genCAWithKey', 'genSelfSignedCert', 'genSelfSignedCertWithKey'].map((name) => [
      name,
      'makes a certificate at each rendering, and is not offered; make it once and put it into the template',
    ]),
  ),
  genSignedCert: 'makes a certificate at each rendering, and is not offered; put it into the template',
  genSignedCertWithKey: 'makes a certificate at each rendering, and is not offered; put it into the template',
}

/** Sprig's functions on time, chance, environment and keys. */
export function nonHermeticFunctions(outside: Outside): FuncTable {
  return { ...timeFunctions(outside), ...chanceFunctions(outside), ...hostFunctions(outside), ...refused() }
}

function refused(): FuncTable {
  return Object.fromEntries(
    Object.entries(absent).map(([name, why]): [string, Func] => [
      name,
      fnRest([], 'any', () => {
        throw new TemplateError(`${name} ${why}`)
      }),
    ]),
  )
}

function timeFunctions({ now, zoneAt }: Outside): FuncTable {
  const nanosNow = () => BigInt(Math.trunc(now())) * 1_000_000n
  const inZone = (nanos: bigint, name: string): Moment => ({
    nanos,
    zone: zoneAt(name, Number(nanos / 1_000_000n)) ?? utc,
  })
  const momentOf = (value: Value): bigint => {
    if (isTime(value)) return momentIn(value).nanos
    return typeof value === 'bigint' ? BigInt.asIntN(64, value) * 1_000_000_000n : nanosNow()
  }
  const dated = (layout: string, value: Value, zone: string) => {
    const moment = inZone(momentOf(value), zone)
    calendarOf(moment)
    return formatMoment(moment, layout)
  }
  const dateInZone = fn(['string', 'any', 'string'], dated)
  const dateModify = fn(['string', 'any'], (duration, time) => {
    const moment = momentIn(time)
    try {
      return timeValue({ ...moment, nanos: moment.nanos + parseDuration(duration) })
    } catch {
      return time
    }
  })
  return {
    now: fn([], () => timeValue(inZone(nanosNow(), 'Local'))),
    date: fn(['string', 'any'], (layout, value) => dated(layout, value, 'Local')),
    dateInZone,
    date_in_zone: dateInZone,
    htmlDate: fn(['any'], (value) => dated('2006-01-02', value, 'Local')),
    htmlDateInZone: fn(['any', 'string'], (value, zone) => dated('2006-01-02', value, zone)),
    dateModify,
    date_modify: dateModify,
    ago: fn(['any'], (value) => {
      const half = 500_000_000n
      return durationText(secondsOf({ nanos: nanosNow() - momentOf(value) + half, zone: utc }))
    }),
  }
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const digits = '0123456789'
const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')

function chanceFunctions({ randomBytes, uuid }: Outside): FuncTable {
  /** a whole number below `bound`, each as likely as the others */
  const below = (bound: number): number => {
    const limit = 2 ** 32 - (2 ** 32 % bound)
    for (;;) {
      const value = randomBytes(4).reduce((number, byte) => number * 256 + byte, 0)
      if (value < limit) return value % bound
    }
  }
  const text = (chars: string) =>
    fn(['int'], (count, spend) => {
      if (count < 0) throw new TemplateError(`${count} random characters, expected at least 0`)
      checkTextLength(count)
      spend(count)
      return Array.from({ length: count }, () => chars[below(chars.length)]).join('')
    })
  return {
    randAlpha: text(letters),
    randAlphaNum: text(letters + digits),
    randNumeric: text(digits),
    randAscii: text(ascii),
    randBytes: fn(['int'], (count, spend) => {
      if (count < 0) throw new TemplateError(`${count} random bytes, expected at least 0`)
      checkTextLength(count * 2)
      spend(Math.ceil(count / 16))
      return base64(randomBytes(count))
    }),
    randInt: fn(['int', 'int'], (min, max) => {
      if (max <= min || max - min > 2 ** 32)
        throw new TemplateError(`randInt from ${min} to ${max}, expected a range of 1 to 4294967296`)
      return BigInt(min + below(max - min))
    }),
    shuffle: fn(['string'], (value, spend) => {
      const chars = Array.from(value)
      spend(chars.length)
      for (let i = chars.length - 1; i > 0; i--) {
        const other = below(i + 1)
        ;[chars[i], chars[other]] = [chars[other]!, chars[i]!]
      }
      return chars.join('')
    }),
    uuidv4: fn([], () => uuid()),
  }
}

/** Steps of a function that keeps the processor for tens of milliseconds. */
const slowSteps = 50_000

function hostFunctions(outside: Outside): FuncTable {
  return {
    env: fn(['string'], (name) => outside.env(name) ?? ''),
    expandenv: fn(['string'], (text) => {
      const expanded = text.replace(
        /\$(?:\{(\w+)\}|(\w+))/g,
        (_, braced?: string, plain?: string) => outside.env(braced ?? plain ?? '') ?? '',
      )
      checkTextLength(expanded.length)
      return expanded
    }),
    encryptAES: fn(['string', 'string'], (password, text) => outside.encryptAes(password, text)),
    decryptAES: fn(['string', 'string'], (password, text) => outside.decryptAes(password, text)),
    genPrivateKey: fn(['string'], (type, spend) => {
      spend(slowSteps)
      const key = outside.privateKey(type)
      if (key === undefined)
        throw new TemplateError(`genPrivateKey ${JSON.stringify(type)}, expected "ecdsa" or "ed25519"`)
      return key
    }),
    derivePassword: fn(
      ['int', 'string', 'string', 'string', 'string'],
      (counter, type, password, user, site, spend) => {
        spend(slowSteps)
        return derivedPassword(outside, { counter, type, password, user, site })
      },
    ),
  }
}
