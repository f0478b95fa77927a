import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { boot } from './machine.ts'
import type { Stage, Wire } from './machine.ts'

/** What is to be powered on, as JSON: the first argument. */
export type Site = {
  macs: readonly string[]
  /** all are powered on within this time, ms */
  withinMs: number
  /** boots that a machine begins before it is given up */
  mostBoots: number
}

/** A line for every change; the last one has `over`. */
export type Report = {
  stages: Record<Stage, number>
  /** machines that gave up for good, with the last reason */
  lost: { mac: string; why: string }[]
  /** boots that were begun again */
  again: number
  over?: { sha256: string[]; scripts: string[]; seconds: number }
}

const site = JSON.parse(process.argv[2]!) as Site
const stages: Report['stages'] = {
  off: site.macs.length,
  dhcp: 0,
  tftp: 0,
  'ipxe-dhcp': 0,
  script: 0,
  done: 0,
}
const lost: Report['lost'] = []
let again = 0
const say = (over?: Report['over']) => {
  const report: Report = { stages, lost, again, ...(over ? { over } : {}) }
  console.log(JSON.stringify(report))
}

async function openWire(): Promise<Wire & { close(): void }> {
  const socket = createSocket('udp4')
  const waiting = new Map<number, (packet: Buffer) => void>()
  socket.on('message', (packet) => waiting.get(packet.readUInt32BE(4))?.(packet))
  socket.bind(68)
  await once(socket, 'listening')
  socket.setBroadcast(true)
  socket.setRecvBufferSize(8 * 1024 * 1024)
  return {
    send: (packet) => socket.send(packet, 67, '255.255.255.255'),
    reply: (xid, ms) =>
      new Promise((resolve) => {
        const end = (packet?: Buffer) => {
          clearTimeout(timer)
          waiting.delete(xid)
          resolve(packet)
        }
        const timer = setTimeout(end, ms)
        waiting.set(xid, end)
      }),
    close: () => socket.close(),
  }
}

const wire = await openWire()
const began = performance.now()
const timer = setInterval(say, 200)

async function power(mac: string, number: number) {
  await sleep(Math.random() * site.withinMs)
  let at: Stage = 'off'
  const enter = (stage: Stage) => {
    stages[at]--
    stages[(at = stage)]++
  }
  for (let boots = 1; ; boots++) {
    try {
      return await boot({ mac, number: number + boots * 100_000, wire, enter })
    } catch (error) {
      const why = `${at}: ${(error as Error).message}`
      if (boots === site.mostBoots) {
        lost.push({ mac, why })
        return undefined
      }
      again++
      await sleep(1000)
    }
  }
}

const booted = (await Promise.all(site.macs.map(power))).filter((one) => one !== undefined)
clearInterval(timer)
wire.close()
say({
  sha256: [...new Set(booted.map(({ sha256 }) => sha256))],
  scripts: booted.map(({ script }) => script),
  seconds: (performance.now() - began) / 1000,
})
