import dgram from 'node:dgram'
import { encode, parse } from '../../src/tftp/packet.ts'
import type { TftpPacket } from '../../src/tftp/packet.ts'

/** `port`: where the file came from */
export type Got = {
  data: Buffer
  options: ReadonlyMap<string, string>
  datagrams: number
  port: number
}

/**
 * Reads a file as a strict client does: in order, one acknowledgement per window.
 * @param lose whether to ignore the datagram with this number, as if it was lost
 * @throws Error with the server's message
 */
export function tftpGet(
  port: number,
  file: string,
  asked: Readonly<Record<string, string>> = {},
  lose: (datagram: number) => boolean = () => false,
): Promise<Got> {
  const socket = dgram.createSocket('udp4')
  const pieces: Uint8Array[] = []
  let options: ReadonlyMap<string, string> = new Map()
  let datagrams = 0
  let peer: number | undefined
  let inWindow = 0
  const send = (packet: TftpPacket) => socket.send(encode(packet), peer ?? port, '127.0.0.1')
  const number = (name: string, otherwise: number) => Number(options.get(name) ?? otherwise)
  return new Promise<Got>((resolve, reject) => {
    const received = (packet: TftpPacket) => {
      if (packet.op === 'error') return reject(new Error(packet.message))
      if (packet.op === 'oack') {
        options = packet.options
        return send({ op: 'ack', block: 0 })
      }
      if (packet.op !== 'data') return
      if (packet.block !== ((pieces.length + 1) & 0xffff)) {
        inWindow = 0
        return send({ op: 'ack', block: pieces.length & 0xffff })
      }
      pieces.push(packet.data)
      inWindow += 1
      const isLast = packet.data.length < number('blksize', 512)
      if (isLast || inWindow === number('windowsize', 1)) {
        inWindow = 0
        send({ op: 'ack', block: pieces.length & 0xffff })
      }
      if (isLast) resolve({ data: Buffer.concat(pieces), options, datagrams, port: peer! })
    }
    socket.on('message', (bytes, from) => {
      datagrams += 1
      if (lose(datagrams)) return
      peer ??= from.port
      if (from.port !== peer) return
      const packet = parse(bytes)
      if (typeof packet !== 'string') received(packet)
    })
    socket.bind(0, '127.0.0.1', () => {
      send({ op: 'read', file, mode: 'octet', options: new Map(Object.entries(asked)) })
    })
  }).finally(async () => {
    await new Promise((sent) => setTimeout(sent, 20))
    socket.close()
  })
}
