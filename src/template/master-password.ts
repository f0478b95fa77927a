import { TemplateError } from './limits.ts'
import type { Outside } from './outside.ts'

const digits = '0123456789'
const seedText = 'com.lyndir.masterpassword'
/** Shapes of the Master Password algorithm, version 1 (masterpassword.app). */
const shapes: Readonly<Record<string, readonly string[]>> = {
  maximum: ['anoxxxxxxxxxxxxxxxxx', 'axxxxxxxxxxxxxxxxxno'],
  long: (
    'CvcvnoCvcvCvcv CvcvCvcvnoCvcv CvcvCvcvCvcvno CvccnoCvcvCvcv CvccCvcvnoCvcv CvccCvcvCvcvno CvcvnoCvccCvcv ' +
    'CvcvCvccnoCvcv CvcvCvccCvcvno CvcvnoCvcvCvcc CvcvCvcvnoCvcc CvcvCvcvCvccno CvccnoCvccCvcv CvccCvccnoCvcv ' +
    'CvccCvccCvcvno CvcvnoCvccCvcc CvcvCvccnoCvcc CvcvCvccCvccno CvccnoCvcvCvcc CvccCvcvnoCvcc CvccCvcvCvccno'
  ).split(' '),
  medium: ['CvcnoCvc', 'CvcCvcno'],
  short: ['Cvcn'],
  basic: ['aaanaaan', 'aannaaan', 'aaannaaa'],
  pin: ['nnnn'],
}
const vowels = 'AEIOU'
const consonants = 'BCDFGHJKLMNPQRSTVWXYZ'
const anyLetter = vowels + vowels.toLowerCase() + consonants + consonants.toLowerCase()
const characters: Readonly<Record<string, string>> = {
  V: vowels,
  C: consonants,
  v: vowels.toLowerCase(),
  c: consonants.toLowerCase(),
  A: vowels + consonants,
  a: anyLetter,
  n: digits,
  o: "@&%?,=[]_:-+*$#!'^~;()/.",
  x: `${anyLetter}${digits}!@#$%^&*()`,
}

type Site = { counter: number; type: string; password: string; user: string; site: string }

/** @throws TemplateError for an unknown type */
export function derivedPassword(
  { scrypt, hmacSha256 }: Pick<Outside, 'scrypt' | 'hmacSha256'>,
  { counter, type, password, user, site }: Site,
): string {
  const templates = Object.hasOwn(shapes, type) ? shapes[type] : undefined
  if (!templates) throw new TemplateError(`cannot find password template ${type}`)
  const bytes = (text: string) => [...new TextEncoder().encode(text)]
  const key = scrypt(
    password,
    Uint8Array.from([...bytes(seedText), ...word(bytes(user).length), ...bytes(user)]),
  )
  const message = [...bytes(seedText), ...word(bytes(site).length), ...bytes(site), ...word(counter)]
  const seed = hmacSha256(key, Uint8Array.from(message))
  const shape = templates[(seed[0] ?? 0) % templates.length] ?? ''
  const pick = (kind: string, i: number) => {
    const choices = characters[kind] ?? ''
    return choices[(seed[i + 1] ?? 0) % choices.length] ?? ''
  }
  return Array.from(shape, pick).join('')
}

/** 32 bits, most significant byte first */
const word = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff)
