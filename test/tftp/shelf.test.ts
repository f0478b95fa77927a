import t from 'tap'
import { PacketReader } from '../../src/tftp/blocks.ts'
import type { TftpFile } from '../../src/tftp/blocks.ts'
import { Shelf } from '../../src/tftp/shelf.ts'
import { windowOf } from './window.ts'

const terms = { blockSize: 1024, windowSize: 4 }
const mebibyte = 1 << 20

/** A file of octets that all are `octet`, and how often it was read. */
function fileOf(octet: number, { size = mebibyte, version = `v${octet}` } = {}) {
  const reads: number[] = []
  const file: TftpFile = {
    size,
    version,
    read: async (offset, length) => {
      reads.push(offset)
      return Buffer.alloc(Math.min(length, size - offset), octet)
    },
    close: () => {},
  }
  return { file, reads }
}

async function readAll(reader: PacketReader, blocks: number): Promise<number[]> {
  const octets = new Set<number>()
  for (let from = 1; from <= blocks; from += terms.windowSize)
    for (const packet of await windowOf(reader, from, Math.min(from + terms.windowSize - 1, blocks)))
      for (const octet of packet.subarray(4)) octets.add(octet)
  return [...octets]
}

t.test('what two clients read at once is read once', async (t) => {
  const shelf = new Shelf()
  const { file, reads } = fileOf(7)
  const readers = [new PacketReader(file, terms, shelf), new PacketReader(file, terms, shelf)]
  const whole = mebibyte / terms.blockSize + 1
  t.same(await Promise.all(readers.map((reader) => readAll(reader, whole))), [[7], [7]])
  t.equal(new Set(reads).size, reads.length, 'no piece twice')
  for (const reader of readers) reader.close()
  const later = new PacketReader(file, terms, shelf)
  const before = reads.length
  await windowOf(later, 1, 4)
  t.ok(reads.length > before, 'nothing is kept of a file that nobody reads')
})

t.test('a file that has changed is another one, and so are other blocks of the same', async (t) => {
  const shelf = new Shelf()
  const old = new PacketReader(fileOf(1).file, terms, shelf)
  const changed = new PacketReader(fileOf(2).file, terms, shelf)
  const small = new PacketReader(fileOf(1).file, { blockSize: 512, windowSize: 4 }, shelf)
  t.equal((await windowOf(old, 5, 8))[0]![4], 1)
  t.equal((await windowOf(changed, 5, 8))[0]![4], 2)
  t.equal((await windowOf(small, 5, 8))[0]!.length, 516)
})

t.test('beyond what may be kept the oldest goes, and no client sees memory of another', async (t) => {
  const shelf = new Shelf(mebibyte / 2)
  const blocks = mebibyte / terms.blockSize
  const files = Array.from({ length: 20 }, (_, at) => fileOf(at + 1))
  const readers = files.map(({ file }) => new PacketReader(file, terms, shelf))
  const windows = Array.from({ length: blocks / terms.windowSize }, (_, at) => 1 + at * terms.windowSize)
  for (const from of windows)
    await Promise.all(
      readers.map(async (reader, at) => {
        const packets = await windowOf(reader, from, from + terms.windowSize - 1)
        const whole = Buffer.concat(packets.map((packet) => packet.subarray(4)))
        if (!whole.equals(Buffer.alloc(whole.length, at + 1))) t.fail(`client ${at}, block ${from}`)
      }),
    )
  for (const reader of readers) reader.close()
})

t.test('a piece that could not be read is read again by the next who wants it', async (t) => {
  const shelf = new Shelf()
  const { file } = fileOf(3)
  let fails = true
  const broken: TftpFile = {
    ...file,
    read: (offset, length) =>
      fails ? Promise.reject(new Error('input/output error')) : file.read(offset, length),
  }
  const first = new PacketReader(broken, terms, shelf)
  const second = new PacketReader(broken, terms, shelf)
  await t.rejects(first.load(1, 4), /input/)
  fails = false
  t.equal((await windowOf(second, 1, 4)).length, 4)
  first.close()
  second.close()
})

t.test('a client that leaves while its file is read does no harm', async (t) => {
  const shelf = new Shelf()
  const { file } = fileOf(4)
  const leaving = new PacketReader(file, terms, shelf)
  const reading = leaving.load(1, 4)
  leaving.close()
  const staying = new PacketReader(file, terms, shelf)
  t.same(await readAll(staying, 16), [4])
  await reading
  t.same(await readAll(staying, 16), [4])
})
