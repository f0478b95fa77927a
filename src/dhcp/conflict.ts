import dgram from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Clock } from '../model/clock.ts'
import type { Ip4 } from '../model/ip4.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'

/** Looks for a host that has an address. @returns its MAC, or `undefined` when none answers in half a second */
export type FindHost = (ip: Ip4) => Promise<Mac | undefined>

/** the discard service: a host that answers it with a refusal is there as well */
const port = 9
const waitsMs = [20, 80, 150, 250]

/**
 * Asks by ARP, which a host on the link cannot leave unanswered as it may an echo request, and for which the kernel
 * does the work: a datagram to the address makes it ask, its neighbour table says what came back. Needs no rights. A
 * host that has just gone may still be in that table; the datagram makes the kernel look again, so that a later look
 * is right.
 * @param readTable `/proc/net/arp`
 */
export function hostFinder(clock: Clock, readTable = () => readFile('/proc/net/arp', 'utf8')): FindHost {
  return async (ip) => {
    const socket = dgram.createSocket('udp4')
    try {
      socket.on('error', () => undefined)
      socket.connect(port, ip)
      await once(socket, 'connect')
      socket.send('', () => undefined)
      for (const ms of waitsMs) {
        await clock.sleep(ms)
        const host = neighbourIn(await readTable(), ip)
        if (host) return host
      }
      return undefined
    } finally {
      socket.close()
    }
  }
}

const complete = 0x2

/** @returns who has `ip` by the text of `/proc/net/arp`; an entry that is only asked for has no MAC */
export function neighbourIn(table: string, ip: Ip4): Mac | undefined {
  for (const line of table.split('\n')) {
    const [address, , flags, mac] = line.split(/\s+/)
    if (address === ip && Number(flags) & complete) return parseMac(mac ?? '')
  }
  return undefined
}
