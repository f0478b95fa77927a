import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** How far a machine is. */
export type Stage = 'off' | 'dhcp' | 'tftp' | 'ipxe-dhcp' | 'script' | 'done'

/** What all machines share: one wire, on which each hears the broadcasts. */
export type Wire = {
  send(packet: Buffer): void
  /** the next reply to a transaction; `undefined` after `ms` */
  reply(xid: number, ms: number): Promise<Buffer | undefined>
}

export type Firmware = { mac: string; number: number; wire: Wire; enter(stage: Stage): void }

/** How PXE firmware waits for a DHCP reply before it asks again, ms (PXE 2.1 §2.2.2). */
const dhcpWaits = [4000, 8000, 16_000, 32_000]
/** Between two copies of a TFTP packet, ms, and how many copies there are. */
const tftpWait = 1000
const tftpTries = 8

/**
 * One boot as BIOS firmware does it, up to iPXE's script: DHCP, the boot file over TFTP in lock step, DHCP again as iPXE,
 * the script over HTTP.
 * @returns SHA-256 of the boot file, and the script
 * @throws Error when the firmware gives up
 */
export async function boot({
  mac,
  number,
  wire,
  enter,
}: Firmware): Promise<{ sha256: string; script: string }> {
  enter('dhcp')
  const first = await lease(wire, mac, number * 4 + 1, [])
  enter('tftp')
  const sha256 = await fetchFile(first)
  enter('ipxe-dhcp')
  const second = await lease(wire, mac, number * 4 + 3, [77, 4, ...Buffer.from('iPXE')])
  enter('script')
  const script = await fetchScript(second.file, second.ip)
  enter('done')
  return { sha256, script }
}

type Lease = { ip: string; server: string; file: string }

async function lease(wire: Wire, mac: string, xid: number, more: readonly number[]): Promise<Lease> {
  const offer = readLease(await exchange(wire, xid, message(mac, xid, [53, 1, 1, ...more])))
  const chosen = [53, 1, 3, 50, 4, ...octets(offer.ip), 54, 4, ...octets(offer.serverId), ...more]
  return readLease(await exchange(wire, xid + 1, message(mac, xid + 1, chosen)))
}

async function exchange(wire: Wire, xid: number, packet: Buffer): Promise<Buffer> {
  for (const ms of dhcpWaits) {
    const answer = wire.reply(xid, ms * (0.75 + Math.random() / 2))
    wire.send(packet)
    const reply = await answer
    if (reply) return reply
  }
  throw new Error('no DHCP reply')
}

function message(mac: string, xid: number, options: readonly number[]): Buffer {
  const packet = Buffer.alloc(548)
  packet.set([1, 1, 6, 0])
  packet.writeUInt32BE(xid, 4)
  packet.writeUInt16BE(0x8000, 10)
  packet.set(
    mac.split(':').map((octet) => Number.parseInt(octet, 16)),
    28,
  )
  packet.writeUInt32BE(0x63825363, 236)
  const id = 'PXEClient:Arch:00000:UNDI:002001'
  const usual = [60, id.length, ...Buffer.from(id), 93, 2, 0, 0, 94, 3, 1, 2, 1, 57, 2, 4, 236]
  packet.set([...options, ...usual, 55, 5, 1, 3, 54, 66, 67, 255], 240)
  return packet
}

function readLease(packet: Buffer): Lease & { serverId: string } {
  const options = new Map<number, Buffer>()
  for (let at = 240; packet[at] !== undefined && packet[at] !== 255;) {
    const [code, length = 0] = [packet[at]!, packet[at + 1]]
    if (code === 0) at += 1
    else {
      options.set(code, packet.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
  }
  const address = (bytes: Uint8Array | undefined) => [...(bytes ?? [])].join('.')
  const file = packet.subarray(108, 236).toString('latin1').replace(/\0.*$/s, '')
  return {
    ip: address(packet.subarray(16, 20)),
    server: address(packet.subarray(20, 24)),
    serverId: address(options.get(54)),
    file: file || (options.get(67)?.toString('latin1') ?? ''),
  }
}

const octets = (ip: string) => ip.split('.').map(Number)

/** RFC 1350 with blksize and tsize, from the machine's own address. */
async function fetchFile({ ip, server, file }: Lease): Promise<string> {
  const socket = createSocket('udp4')
  socket.bind(0, ip)
  await once(socket, 'listening')
  try {
    return await receive(socket, { server, file })
  } finally {
    socket.close()
  }
}

async function receive(socket: Socket, { server, file }: Pick<Lease, 'server' | 'file'>): Promise<string> {
  const hash = createHash('sha256')
  const words = [file, 'octet', 'blksize', '1456', 'tsize', '0']
  let last = Buffer.concat([Buffer.from([0, 1]), ...words.map((word) => Buffer.from(`${word}\0`))])
  let port = 69
  let [block, size, tries] = [0, 1456, 0]
  socket.send(last, port, server)
  for (;;) {
    const heard = await next(socket, tftpWait)
    if (!heard) {
      if (++tries === tftpTries) throw new Error('TFTP timed out')
      socket.send(last, port, server)
      continue
    }
    const [packet, from] = heard
    const code = packet.readUInt16BE(0)
    if (code === 5) throw new Error(`TFTP error: ${packet.subarray(4).toString('latin1')}`)
    if (block === 0) port = from
    if (from !== port) continue
    if (code === 6 && block > 0) continue
    if (code === 3) {
      if (packet.readUInt16BE(2) !== ((block + 1) & 0xffff)) continue
      block++
      hash.update(packet.subarray(4))
      size = packet.length - 4
    }
    tries = 0
    last = Buffer.from([0, 4, (block >> 8) & 255, block & 255])
    socket.send(last, port, server)
    if (code === 3 && size < 1456) return hash.digest('hex')
  }
}

function next(socket: Socket, ms: number): Promise<[Buffer, number] | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      socket.removeListener('message', hear)
      resolve(undefined)
    }, ms)
    const hear = (packet: Buffer, { port }: { port: number }) => {
      clearTimeout(timer)
      resolve([packet, port])
    }
    socket.once('message', hear)
  })
}

/** iPXE tries a script's URL again for a while when the server does not listen. */
async function fetchScript(url: string, localAddress: string): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      return await getText(url, localAddress)
    } catch (error) {
      if (tries === 10) throw error
      await sleep(1000 + Math.random() * 1000)
    }
  }
}

function getText(url: string, localAddress: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { localAddress, agent: false, timeout: 10_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => (text += piece))
      response.on('error', reject)
      response.on('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`HTTP ${response.statusCode}`)),
      )
    })
    request.on('timeout', () => request.destroy(new Error('HTTP timed out')))
    request.on('error', reject)
  })
}
