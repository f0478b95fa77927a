import type { PacketReader } from '../../src/tftp/blocks.ts'

/** The packets of blocks `from` to `to`, each by itself. */
export async function windowOf(reader: PacketReader, from: number, to: number): Promise<Uint8Array[]> {
  await reader.load(from, to)
  const packets: Uint8Array[] = []
  for (let block = from; block <= to; block = from + packets.length) {
    const some = reader.packets(block, to)!
    for (let at = 0; at < some.length; at += reader.packetSize)
      packets.push(some.subarray(at, at + reader.packetSize))
  }
  return packets
}
