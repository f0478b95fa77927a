import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { messagesOf } from '../../src/lab/capture.ts'
import type { Message } from '../../src/lab/capture.ts'
import { readPcap } from '../../src/lab/pcap.ts'

export const captureFile = (file: string): string =>
  fileURLToPath(new URL(`../captures/${file}`, import.meta.url))

/** Names of the captures that there are, `<firmware>-<what>`. */
export const captureNames = (): string[] =>
  readdirSync(captureFile('.'))
    .filter((file) => file.endsWith('.pcap'))
    .map((file) => file.slice(0, -'.pcap'.length))
    .sort()

/** @throws Error when there is no capture of this name */
export const captured = (name: string): Message[] =>
  messagesOf(readPcap(readFileSync(captureFile(`${name}.pcap`))))

export const capturedText = (name: string): string =>
  existsSync(captureFile(`${name}.txt`)) ? readFileSync(captureFile(`${name}.txt`), 'utf8') : ''

/** Copies of the payloads of all captured messages of one protocol. */
export function payloads(kind: 'dhcp' | 'tftp'): Uint8Array[] {
  const all = captureNames().flatMap((name) => captured(name))
  return all
    .filter(({ content }) => content.kind === kind)
    .map(({ segment }) => new Uint8Array(segment.payload))
}
