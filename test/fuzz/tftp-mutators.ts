import { encode, parse } from '../../src/tftp/packet.ts'
import type { TftpPacket } from '../../src/tftp/packet.ts'
import { payloads } from '../lab/captures.ts'
import type { Mutator, Random } from './mutate.ts'
import { blind, noise } from './mutate.ts'

type Request = Extract<TftpPacket, { op: 'read' | 'write' }>

/** Names that lead out of a boot root, or that some file system or decoder takes for others. */
export const hostileNames = (outside: string): string[] => [
  '../secret',
  '../../secret',
  '/../secret',
  'os/../secret',
  'os/../../secret',
  'os/outside',
  '/os/outside',
  'outside',
  'absolute',
  'os/up/secret',
  'up/secret',
  'os/folder/../outside',
  outside,
  `os/${outside}`,
  `//${outside}`,
  '/etc/passwd',
  'os//etc/passwd',
  '..\\secret',
  'os\\..\\secret',
  'C:\\secret',
  '%2e%2e/secret',
  '%2e%2e%2fsecret',
  'os/%2e%2e/secret',
  'os/..%2fsecret',
  '%252e%252e/secret',
  '..\u2215secret',
  '\u2025/secret',
  'os/./outside',
  'os/',
  '.',
  '..',
  '...',
  '.hidden',
  'os/.hidden',
  'os/loop',
  'os/folder',
  'os/pipe',
  'ipxe.efi/',
  'ipxe.efi/../../secret',
  'ipxe.efi\u0000/../../secret',
  'ipxe.efi\n../secret',
  'file:///etc/passwd',
  'tftp://127.0.0.1/../secret',
  `${'../'.repeat(60)}etc/passwd`,
  `${'a/'.repeat(140)}ipxe.efi`,
  `os/${'d/'.repeat(100)}x`,
  'x'.repeat(255),
  'x'.repeat(300),
  'x'.repeat(900),
  '',
]

/** Names that are served, so that mutations begin beside them. */
export const goodNames = [
  'ipxe.efi',
  'undionly.kpxe',
  'autoexec.ipxe',
  'os/vmlinuz-x86_64',
  'os/inside',
  'a/b/snponly.efi',
]

const values = [
  '0',
  '1',
  '7',
  '8',
  '512',
  '1468',
  '65464',
  '65465',
  '99999999999999999',
  '-1',
  '1e9',
  '',
  ' 8',
  'NaN',
]
const optionNames = [
  'blksize',
  'tsize',
  'timeout',
  'windowsize',
  'multicast',
  'BLKSIZE',
  '__proto__',
  'constructor',
  '',
]

const changed =
  (change: (request: Request, random: Random) => Request): Mutator =>
  (bytes, random) => {
    const packet = parse(bytes)
    return typeof packet !== 'string' && (packet.op === 'read' || packet.op === 'write')
      ? encode(change(packet, random))
      : bytes
  }

const pick = <T>(items: readonly T[], random: Random): T => items[random(items.length)]!

/** Damage by one who knows TFTP and wants the file `outside`. */
export const tftpMutators = (outside: string): Readonly<Record<string, Mutator>> => {
  const hostile = hostileNames(outside)
  return {
    ...blind,
    'asks for a hostile name': changed((request, random) => ({ ...request, file: pick(hostile, random) })),
    'asks for another name': changed((request, random) => ({ ...request, file: pick(goodNames, random) })),
    'puts a hostile name before': changed((request, random) => ({
      ...request,
      file: `${pick(hostile, random)}/${request.file}`,
    })),
    'puts a hostile name behind': changed((request, random) => ({
      ...request,
      file: `${request.file}${pick(['/', '\u0000', '%00', '\\', '/../'], random)}${pick(hostile, random)}`,
    })),
    'changes letters of the name': changed((request, random) => {
      const letters = request.file.split('')
      letters[random(letters.length + 1)] = pick(
        ['/', '.', '\\', '%', '\u0000', ' ', '~', 'é', '\u202e'],
        random,
      )
      return { ...request, file: letters.join('') }
    }),
    'asks for options': changed((request, random) => ({
      ...request,
      options: new Map(
        Array.from({ length: random(6) }, () => [pick(optionNames, random), pick(values, random)]),
      ),
    })),
    'asks in another mode': changed((request, random) => ({
      ...request,
      mode: pick(['octet', 'OCTET', 'netascii', 'mail', '', 'x'.repeat(100)], random),
    })),
    writes: changed((request) => ({ ...request, op: 'write' })),
    'is another message': (_, random) =>
      new Uint8Array([0, random(9), random(256), random(256), ...noise(random, random(40))]),
  }
}

const captured = payloads('tftp')
const asked = captured.filter((bytes) => bytes[1] === 1)
const answered = captured.filter((bytes) => bytes[1] !== 1)

/** Mostly requests, as captured and for other files; the rest is what clients and servers sent in a transfer. */
export const tftpPackets = {
  packets: [
    ...answered,
    ...goodNames.flatMap((file) => asked.map((bytes) => encode({ ...(parse(bytes) as Request), file }))),
    ...asked,
    ...asked,
  ],
  lenders: captured,
}
