import { createSocket } from 'node:dgram'
import { constants, setPriority } from 'node:os'
import { createInterface } from 'node:readline'
import { messageTypes } from '../../src/dhcp/options/table.ts'
import { dhcpMessage } from './dhcp-message.ts'
import { spreadOf } from './stats.ts'
import type { Spread } from './stats.ts'

/** How the program is told what to do, as JSON: its first argument. */
export type DhcpLoad = { server: string; relay: string; macs: readonly string[]; perSecond: number }

/** ms from DISCOVER to OFFER since the last reading; one that got no answer within a second counts as that second. */
export type DhcpReading = Spread & { lost: number }

const lostMs = 1000
const port = 67

/**
 * A relay with many machines behind it, as a program of its own: sends DISCOVERs at an even rate, whatever comes back,
 * and answers each line on standard input with a DhcpReading. Ends with standard input.
 */
const load = JSON.parse(process.argv[2]!) as DhcpLoad
// What measures must not wait for what is measured.
setPriority(constants.priority.PRIORITY_HIGHEST)

const packets = load.macs.map((mac) => dhcpMessage({ type: messageTypes.discover, mac, giaddr: load.relay }))
/** when a DISCOVER was sent, by transaction */
const waiting = new Map<number, number>()
let taken: number[] = []
let lost = 0
let sent = 0

const socket = createSocket('udp4')
socket.on('message', (bytes) => {
  const xid = bytes.readUInt32BE(4)
  const sentAt = waiting.get(xid)
  if (sentAt === undefined) return
  waiting.delete(xid)
  taken.push(performance.now() - sentAt)
})

function send(): void {
  const xid = ++sent
  const packet = Buffer.from(packets[xid % packets.length]!)
  packet.writeUInt32BE(xid, 4)
  waiting.set(xid, performance.now())
  socket.send(packet, port, load.server)
}

function giveUp(): void {
  for (const [xid, sentAt] of waiting) {
    if (performance.now() - sentAt < lostMs) return
    waiting.delete(xid)
    taken.push(lostMs)
    lost += 1
  }
}

function tell(): void {
  giveUp()
  const empty = { n: 0, p50: 0, p99: 0, max: 0 }
  const reading: DhcpReading = { ...(taken.length > 0 ? spreadOf(taken) : empty), lost }
  console.log(JSON.stringify(reading))
  taken = []
  lost = 0
}

socket.bind(port, load.relay, () => {
  const began = performance.now()
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * load.perSecond
    if (sent < due) send()
    giveUp()
  }, 2)
  const commands = createInterface(process.stdin)
  commands.on('line', tell)
  commands.once('close', () => {
    clearInterval(timer)
    socket.close()
  })
})
