import { createHmac, timingSafeEqual } from 'node:crypto'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'

/** What a credential says once its seal is found to be ours. */
export type Opened = { mac: Mac; boot: number }

/** Credentials of one machine's boots, told from its MAC, the number of the boot, and a secret; nothing is kept. */
export type Seal = {
  /** 32 hexadecimal digits */
  nonce(mac: Mac, boot: number): string
  token(mac: Mac, boot: number): string
  session(mac: Mac, boot: number, bootId: string): string
  /** for a machine that is in no Hardware, which may ask to be made one */
  stranger(mac: Mac): string
  /** `undefined` when `token` was not made by this seal for an unknown machine */
  openStranger(token: string): Mac | undefined
  /** `undefined` when `token` was not made by this seal */
  openToken(token: string): Opened | undefined
  /** `undefined` when `key` was not made by this seal for `bootId` */
  openSession(key: string, bootId: string): Opened | undefined
}

/** @param secret 32 bytes */
export function createSeal(secret: Uint8Array): Seal {
  const mac32 = (...parts: (string | number)[]) =>
    createHmac('sha256', secret).update(parts.join('\0')).digest()
  const credential = (purpose: string, mac: Mac, boot: number, bootId: string) => {
    const sealed = mac32(purpose, mac, boot, bootId).toString('base64url')
    return `${purpose}.${mac.replaceAll(':', '')}.${boot}.${sealed}`
  }
  const open = (purpose: string, text: string, bootId: string) => {
    const [kind, digits, count] = text.split('.')
    const mac = parseMac(digits?.match(/^[0-9a-f]{12}$/)?.[0].replace(/..(?=.)/g, '$&:') ?? '')
    if (kind !== purpose || !mac || !/^\d{1,9}$/.test(count ?? '')) return undefined
    const boot = Number(count)
    return equalText(text, credential(purpose, mac, boot, bootId)) ? { mac, boot } : undefined
  }
  return {
    nonce: (mac, boot) => mac32('nonce', mac, boot).toString('hex').slice(0, 32),
    token: (mac, boot) => credential('token', mac, boot, ''),
    session: (mac, boot, bootId) => credential('session', mac, boot, bootId),
    stranger: (mac) => credential('stranger', mac, 0, ''),
    openStranger: (token) => open('stranger', token, '')?.mac,
    openToken: (token) => open('token', token, ''),
    openSession: (key, bootId) => open('session', key, bootId),
  }
}

/** Whether two texts are equal, in a time that does not tell how much of them is. */
export function equalText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
