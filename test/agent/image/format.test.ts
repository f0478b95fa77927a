import t from 'tap'
import { detectFormat, foreignImage, unpackedSize } from '../../../src/agent/image/format.ts'

const zstd = (...rest: number[]) => Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...rest])

const formats = [
  { name: 'gzip', head: Buffer.from([0x1f, 0x8b, 8]), want: 'gzip' },
  { name: 'Zstandard', head: zstd(), want: 'zstd' },
  { name: 'xz', head: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), want: 'xz' },
  { name: 'bzip2', head: Buffer.from('BZh9'), want: 'bzip2' },
  { name: 'Zstandard', head: Buffer.from('512a4d1804000000', 'hex'), want: 'zstd' },
  { name: 'a boot sector', head: Buffer.from([0xeb, 0x63, 0x90]), want: 'raw' },
  { name: 'an empty file', head: Buffer.alloc(0), want: 'raw' },
]
for (const { name, head, want } of formats) {
  t.test(`${name} is told by its first bytes`, async (t) => t.equal(detectFormat(head), want))
}

const sizes = [
  { name: 'one byte, single segment', head: zstd(0x20, 200), want: 200 },
  { name: 'two bytes, which begin at 256', head: zstd(0x60, 0x01, 0x00), want: 257 },
  { name: 'four bytes behind a window descriptor', head: zstd(0x80, 0x58, 0, 0, 0, 6), want: 0x06000000 },
  { name: 'eight bytes behind a dictionary id', head: zstd(0xe1, 7, 0, 0, 0, 0, 1, 0, 0, 0), want: 2 ** 32 },
  { name: 'no size', head: zstd(0x00, 0x58), want: undefined },
  { name: 'a head that is cut off', head: zstd(0x80, 0x58, 0), want: undefined },
]
for (const { name, head, want } of sizes) {
  t.test(`the size in a Zstandard head: ${name}`, async (t) => t.equal(unpackedSize('zstd', head, 5), want))
}

t.test('a raw file unpacks to what is served; gzip does not tell', async (t) => {
  t.equal(unpackedSize('raw', Buffer.alloc(32), 77), 77)
  t.equal(unpackedSize('gzip', Buffer.alloc(32), 77), undefined)
})

t.test('files of virtual machines and web pages are not disk images', async (t) => {
  t.equal(foreignImage(Buffer.from('QFI\xfb', 'latin1')), 'qcow2')
  t.equal(foreignImage(Buffer.from('<!doctype html>')), 'HTML page')
  t.equal(foreignImage(Buffer.from([0xeb, 0x63])), undefined)
})
