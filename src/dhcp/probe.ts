import { randomBytes, randomInt } from 'node:crypto'
import type { Clock } from '../model/clock.ts'
import { AppError } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import { macFromBytes, macToBytes } from '../model/mac.ts'
import { encode } from './encode.ts'
import { dhcpOption, getOption, messageTypes, setOption } from './options/table.ts'
import { broadcastFlag, broadcastIp, parse, unsetIp } from './packet.ts'
import type { DhcpPacket } from './packet.ts'
import { adopt, causeOf, loadSystem } from './socket.ts'

/** What one DHCP server offered on one interface. `boots`: to a PXE client, when it says something of its own there. */
export type FoundServer = {
  interface: string
  /** server identifier (option 54), and where the packet came from */
  server: string
  from: string
  /** `dhcp` gives addresses, `proxy` only says what to boot */
  kind: 'dhcp' | 'proxy'
  ip?: Ip4
  netmask?: Ip4
  gateway?: string
  nameServers?: string
  leaseSeconds?: number
  nextServer?: Ip4
  bootFile?: string
}

export type ProbeRules = {
  interfaces: readonly string[]
  clock: Clock
  /** how long answers are waited for; servers that look for other hosts before they offer take up to 3 s. ms */
  waitMs: number
  mac?: Mac
  signal: AbortSignal
  /** UDP port of servers; clients are on the next one. 67 */
  port?: number
}

const again = 3

/**
 * Finds the DHCP servers of links: sends a DISCOVER like a running system's, and one like a PXE client's, to all, and
 * takes no offer. The MAC is made up, so that no server gives a reservation away.
 * @throws AppError Forbidden for a missing right, NotFound for an interface that is not there, Unavailable
 */
export async function findServers(rules: ProbeRules): Promise<FoundServer[]> {
  const found = await Promise.all(rules.interfaces.map((device) => findOn(device, rules)))
  return found.flat()
}

async function findOn(device: string, rules: ProbeRules): Promise<FoundServer[]> {
  const { clock, waitMs, signal, port = 67, mac = randomMac() } = rules
  const socket = adopt(openClient(device, port + 1))
  const asked = [false, true].map((isPxe) => discover(mac, isPxe))
  const xids = asked.map(({ xid }) => xid)
  const found = new Map<string, FoundServer>()
  socket.on('error', () => undefined)
  socket.on('message', (bytes, from) => {
    const packet = parse(bytes)
    if (typeof packet === 'string' || packet.op !== 2 || !xids.includes(packet.xid)) return
    if (getOption(packet.options, dhcpOption.messageType) !== messageTypes.offer) return
    const server = serverOf(device, packet, from.address)
    found.set(`${server.server} ${server.kind}`, {
      ...found.get(`${server.server} ${server.kind}`),
      ...server,
    })
  })
  try {
    for (let time = 0; time < again && !signal.aborted; time += 1) {
      for (const packet of asked) await sendAll(socket, encode(packet).bytes, port, device)
      await clock.sleep(waitMs / again, signal)
    }
  } finally {
    socket.close()
  }
  return [...found.values()]
}

function sendAll(
  socket: ReturnType<typeof adopt>,
  bytes: Uint8Array,
  port: number,
  device: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, port, broadcastIp, (error) => {
      if (!error) return resolve()
      reject(new AppError('Unavailable', `cannot send on ${device}: ${error.message}`, { cause: error }))
    })
  })
}

/** Shared with a DHCP client of this host: a broadcast answer reaches both. */
function openClient(device: string, port: number): number {
  try {
    return loadSystem().bound({ ip: unsetIp, port, device, shared: true })
  } catch (error) {
    const code = causeOf(error)
    if (code === 'EACCES' || code === 'EPERM')
      throw new AppError('Forbidden', `no right to open UDP port ${port} on ${device}: run it as root`, {
        cause: error,
      })
    if (code === 'ENODEV')
      throw new AppError('NotFound', `there is no network interface ${device}`, { cause: error })
    throw error
  }
}

/** Locally administered, of no vendor. */
const randomMac = (): Mac => macFromBytes(Uint8Array.of(0x02, ...randomBytes(5)))!

/** A PXE client's is what proxy servers answer. */
function discover(mac: Mac, isPxe: boolean): DhcpPacket {
  const options = new Map<number, Uint8Array>()
  setOption(options, dhcpOption.messageType, messageTypes.discover)
  setOption(options, dhcpOption.parameterList, Uint8Array.of(1, 3, 6, 15, 43, 51, 54, 60, 66, 67))
  if (isPxe) {
    setOption(options, dhcpOption.vendorClass, 'PXEClient:Arch:00007:UNDI:003016')
    setOption(options, dhcpOption.clientArch, [7])
    setOption(options, dhcpOption.clientInterface, Uint8Array.of(1, 3, 16))
    setOption(options, dhcpOption.clientMachineId, Uint8Array.of(0, ...randomBytes(16)))
  }
  const chaddr = new Uint8Array(16)
  chaddr.set(macToBytes(mac))
  const unset = { ciaddr: unsetIp, yiaddr: unsetIp, siaddr: unsetIp, giaddr: unsetIp, sname: '', file: '' }
  const fixed = { op: 1, htype: 1, hlen: 6, hops: 0, secs: 0, flags: broadcastFlag }
  return { ...fixed, ...unset, xid: randomInt(2 ** 32), chaddr, options }
}

function serverOf(device: string, packet: DhcpPacket, from: string): FoundServer {
  const { options, yiaddr, siaddr, file } = packet
  const isProxy = yiaddr === unsetIp
  const bootFile = file || getOption(options, dhcpOption.bootFileName)
  const gateway = getOption(options, dhcpOption.routers)?.join(',')
  const nameServers = getOption(options, dhcpOption.nameServers)?.join(',')
  const netmask = getOption(options, dhcpOption.subnetMask)
  const leaseSeconds = getOption(options, dhcpOption.leaseSeconds)
  return {
    interface: device,
    server: getOption(options, dhcpOption.serverId) ?? from,
    from,
    kind: isProxy ? 'proxy' : 'dhcp',
    ...(!isProxy && { ip: yiaddr }),
    ...(netmask && { netmask }),
    ...(gateway && { gateway }),
    ...(nameServers && { nameServers }),
    ...(leaseSeconds !== undefined && { leaseSeconds }),
    ...(siaddr !== unsetIp && { nextServer: siaddr }),
    ...(bootFile && { bootFile }),
  }
}
