import t from 'tap'
import type { TftpFile } from '../../src/tftp/blocks.ts'
import { PacketReader } from '../../src/tftp/blocks.ts'
import { asNetascii, toNetascii } from '../../src/tftp/netascii.ts'
import { randomFrom } from './random.ts'
import { windowOf } from './window.ts'

const fileOf = (data: Buffer): TftpFile => ({
  size: data.length,
  read: async (offset, length) => data.subarray(offset, offset + length),
  close: () => {},
})

t.test('line ends are converted as RFC 1350 says', async (t) => {
  const cases = {
    '': '',
    'a\nb': 'a\r\nb',
    '\r': '\r\0',
    'a\r\n': 'a\r\0\r\n',
    '\n\n': '\r\n\r\n',
    'é\0': 'é\0',
  }
  for (const [text, want] of Object.entries(cases))
    t.equal(Buffer.from(toNetascii(Buffer.from(text))).toString(), want, JSON.stringify(text))
})

const random = randomFrom(7)
const letters = [10, 13, 0, 65]
for (const size of [0, 1, 65_535, 65_536, 65_537, 300_000]) {
  const data = Buffer.from(Array.from({ length: size }, () => letters[random(4)]!))
  const whole = Buffer.from(toNetascii(data))

  t.test(`any part of a file of ${size} octets is that of the whole`, async (t) => {
    const file = await asNetascii(fileOf(data))
    t.equal(file.size, whole.length)
    for (let time = 0; time < 40; time += 1) {
      const offset = random(whole.length + 1)
      const length = random(whole.length + 1)
      const part = Buffer.from(await file.read(offset, length))
      t.ok(part.equals(whole.subarray(offset, offset + length)), `${offset} ${length}`)
    }
  })

  for (const { blockSize, windowSize } of [
    { blockSize: 512, windowSize: 1 },
    { blockSize: 1468, windowSize: 64 },
    { blockSize: 65_464, windowSize: 3 },
  ]) {
    t.test(`a file of ${size} octets in blocks of ${blockSize}, ${windowSize} at once`, async (t) => {
      const reader = new PacketReader(fileOf(data), { blockSize, windowSize })
      const blocks = Math.floor(size / blockSize) + 1
      const pieces: Uint8Array[] = []
      for (let from = 1; from <= blocks; from += windowSize) {
        const to = Math.min(from + windowSize - 1, blocks)
        const again = await windowOf(reader, Math.min(from + random(windowSize), to), to)
        const window = await windowOf(reader, from, to)
        t.same(again, window.slice(-again.length), 'asked again')
        pieces.push(...window.map((packet) => packet.subarray(4)))
        t.same([...window[0]!.subarray(0, 4)], [0, 3, (from >> 8) & 255, from & 255])
      }
      t.ok(Buffer.concat(pieces).equals(data))
      t.equal(pieces.at(-1)!.length, size % blockSize)
    })
  }
}
