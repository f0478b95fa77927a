/**
 * Runs in a network of its own: `flood.ts <packets of each protocol>`. Starts a DHCP and a TFTP server, floods both with
 * mutated packets, and prints as JSON how they came through it.
 */
import dgram from 'node:dgram'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { dhcpServer } from '../../src/dhcp/server.ts'
import { encode as encodeDhcp } from '../../src/dhcp/encode.ts'
import { parse as parseDhcp } from '../../src/dhcp/packet.ts'
import { systemClock } from '../../src/model/clock.ts'
import { macToBytes, parseMac } from '../../src/model/mac.ts'
import { encode as encodeTftp, parse as parseTftp } from '../../src/tftp/packet.ts'
import type { RecordStage } from '../../src/timeline/stage.ts'
import { tftpServer } from '../../src/tftp/server.ts'
import { silent } from '../boot/things.ts'
import { ip4, request, requestType } from '../dhcp/packets.ts'
import { tftpGet } from '../tftp/client.ts'
import { makeBootRoot, marker } from './boot-root.ts'
import { dhcpMutators } from './dhcp-mutators.ts'
import { context, dhcpPackets, inventory } from './inventory.ts'
import { mutations } from './mutate.ts'
import { tftpMutators, tftpPackets } from './tftp-mutators.ts'

export type FloodReport = {
  /** `answered`: to anybody, most of them to addresses that do not exist */
  dhcp: { sent: number; answered: number; renewed: boolean }
  tftp: { sent: number; answers: number; mostOpen: number; whole: boolean; leaked: boolean; written: boolean }
  heapGrowth: number
  /** file descriptors that are open after the end and were not before */
  leftOpen: number
}

const loopback = ip4('127.0.0.1')
const own = inventory.get(parseMac('52:54:00:77:03:01')!)!
const client = { ...own, ip: ip4('127.0.0.2') }
const answerMs = 5000
const batch = 40

const openFiles = () => readdirSync('/proc/self/fd').length
const heap = () => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

async function bound(address: string, port = 0): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4')
  socket.bind(port, address)
  await once(socket, 'listening')
  return socket
}

/** A client whose address is its own asks to keep it. */
async function renews(socket: dgram.Socket, port: number, xid: number): Promise<boolean> {
  const chaddr = new Uint8Array(16)
  chaddr.set(macToBytes(client.mac))
  const heard = new Promise<boolean>((resolve) => {
    const listen = (bytes: Uint8Array) => {
      const packet = parseDhcp(bytes)
      if (typeof packet === 'string' || packet.xid !== xid) return
      socket.off('message', listen)
      resolve(packet.yiaddr === client.ip)
    }
    socket.on('message', listen)
  })
  socket.send(encodeDhcp(request(requestType, { ciaddr: client.ip, xid, chaddr })).bytes, port, loopback)
  return Promise.race([heard, sleep(answerMs, false, { ref: false })])
}

async function floodDhcp(count: number, port: number): Promise<{ sent: number; renewed: boolean }> {
  const socket = await bound(client.ip, port + 1)
  let sent = 0
  let renewed = true
  for (const { bytes } of mutations(dhcpPackets, dhcpMutators)) {
    if (sent === count || !renewed) break
    sent += 1
    socket.send(bytes, port, loopback)
    // the answer says that what was sent before is through
    if (sent % batch === 0) renewed = await renews(socket, port, 0x01000000 + sent)
  }
  socket.close()
  return { sent, renewed }
}

type Opened = { now: number; most: number }

async function floodTftp(count: number, port: number, outside: string, opened: Opened) {
  const sockets = await Promise.all(
    Array.from({ length: 24 }, (_, index) => bound(`127.0.0.${3 + (index % 3)}`)),
  )
  const stop = encodeTftp({ op: 'error', code: 0, message: 'enough' })
  const all = mutations(tftpPackets, tftpMutators(outside))
  const next = () => all.next().value!.bytes
  const seen = { answers: 0, leaked: false }
  for (const socket of sockets)
    socket.on('message', (bytes, from) => {
      seen.answers += 1
      if (bytes.includes(marker)) seen.leaked = true
      const packet = parseTftp(bytes)
      if (typeof packet === 'string' || packet.op === 'error') return
      // most clients answer with nonsense and go; some fall silent
      if (seen.answers % 50 === 0) return
      socket.send(next(), from.port, from.address)
      socket.send(stop, from.port, from.address)
    })
  let sent = 0
  let whole = true
  while (sent < count && whole) {
    sockets[sent % sockets.length]!.send(next(), port, loopback)
    sent += 1
    if (sent % (10 * batch) === 0) whole = await readsWhole(port)
    else if (sent % batch === 0) await sleep(2)
  }
  whole &&= await readsWhole(port)
  for (const each of sockets) each.close()
  return { sent, ...seen, mostOpen: opened.most, whole }
}

async function readsWhole(port: number): Promise<boolean> {
  const got = tftpGet(port, 'ipxe.efi', { blksize: '1400', windowsize: '4' })
  const data = await Promise.race([
    got.then(({ data }) => data.toString()),
    sleep(answerMs, '', { ref: false }),
  ])
  return data === 'ipxe.efi '.repeat(3000)
}

async function flood(count: number): Promise<FloodReport> {
  using root = makeBootRoot()
  const before = { files: openFiles(), root: root.fingerprint() }
  const opened: Opened = { now: 0, most: 0 }
  const stop = new AbortController()
  let answered = 0
  const record: RecordStage = (_mac, stage) => {
    if (['dhcp-offer', 'dhcp-ack', 'dhcp-nak'].includes(stage)) answered += 1
  }
  const common = { record, log: silent, clock: systemClock }
  const parts: Promise<void>[] = []
  const dhcpPort = await new Promise<number>((onListening) => {
    const { serverIp: _, pool: _pool, ...settings } = context
    const machineByMac = (mac: typeof own.mac) => (mac === own.mac ? client : inventory.get(mac))
    const deps = {
      ...common,
      ...settings,
      serverIp: loopback,
      machineByMac,
      interfaces: [],
      port: 0,
      onListening,
    }
    parts.push(dhcpServer(deps)(stop.signal))
  })
  const tftpPort = await new Promise<number>((onListening) => {
    const open = async (name: string) => {
      const file = await root.files.openBootFile(name)
      if (!file) return undefined
      opened.now += 1
      opened.most = Math.max(opened.most, opened.now)
      return { ...file, close: () => file.close().finally(() => (opened.now -= 1)) }
    }
    const deps = { ...common, open, machineByIp: () => own, address: loopback, port: 0, onListening }
    parts.push(tftpServer(deps)(stop.signal))
  })
  await floodDhcp(count / 4, dhcpPort)
  await floodTftp(count / 4, tftpPort, root.outside, opened)
  answered = 0
  const heapBefore = heap()
  const dhcp = await floodDhcp(count, dhcpPort)
  const tftp = await floodTftp(count, tftpPort, root.outside, opened)
  const heapGrowth = heap() - heapBefore
  stop.abort()
  await Promise.all(parts)
  const written = root.fingerprint() !== before.root
  return {
    dhcp: { ...dhcp, answered },
    tftp: { ...tftp, written },
    heapGrowth,
    leftOpen: openFiles() - before.files,
  }
}

process.stdout.write(`${JSON.stringify(await flood(Number(process.argv[2])))}\n`)
