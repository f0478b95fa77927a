import { networkInterfaces } from 'node:os'
import type { Clock } from '../model/clock.ts'
import { messageOf } from '../model/error.ts'
import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Logger } from '../log.ts'
import type { Subnet } from './link.ts'
import { causeOf, closeChannel, loadSystem, mayPass, openChannel } from './socket.ts'
import type { Channel } from './socket.ts'

/** One interface that is served, for as long as the server runs; its channel comes and goes with the interface. */
export type Link = {
  readonly device: string | undefined
  channel: Channel | undefined
  /** addresses of the interface that leads to its clients; empty when it has none, or is down. Another array for others */
  subnets: readonly Subnet[]
}

type Deps = {
  serverIp: Ip4
  /** 0 takes any free one, the same for every interface */
  port: number
  interfaces: readonly string[]
  clock: Clock
  log: Logger
  /** called with each channel that is opened, to listen on it */
  serve(link: Link, channel: Channel): void
}

export type Links = {
  /** @throws AppError Unavailable for what does not pass by itself: a port in use, a missing right */
  open(): void
  /** whether every interface is served */
  areOpen(): boolean
  /** the port of the first channel */
  port(): number
  /** Follows the interfaces until `signal` aborts. Does not throw. */
  follow(signal: AbortSignal): Promise<void>
  /** This channel failed: it is opened anew at the next look. */
  failed(channel: Channel, error: Error): void
  close(): void
}

/** between two looks at the interfaces */
const lookMs = 2000

/** `missing`: what keeps it from being served, empty when nothing does */
type Kept = Link & { index: number; missing: string; isUp: boolean | undefined }

/**
 * A channel for each interface. A socket tied to an interface hears nothing any more once that was removed, even when
 * one of the same name comes back; so it is the interface's number that is followed. An interface that goes down and
 * up, and an address that is taken away and put back, leave the sockets as they are.
 */
export function createLinks(deps: Deps): Links {
  const { serverIp, clock, log } = deps
  const system = loadSystem()
  const devices = deps.interfaces.length > 0 ? deps.interfaces : [undefined]
  const links: Kept[] = devices.map((device) => ({
    device,
    channel: undefined,
    subnets: [],
    index: 0,
    missing: '',
    isUp: undefined,
  }))
  let { port } = deps

  function openOne(link: Kept): void {
    link.index = link.device === undefined ? 0 : system.interfaceIndex(link.device)
    const channel = openChannel(serverIp, port, link.device, system)
    port = channel.port
    link.channel = channel
    if (link.missing !== '') log.info({ device: link.device, serverIp }, 'dhcp has its interface')
    link.missing = ''
    deps.serve(link, channel)
  }

  function isMissing(link: Kept, error: unknown): void {
    const why = messageOf(error)
    const kind = causeOf(error) ?? why
    if (link.missing !== kind)
      log.warn({ device: link.device, serverIp, why }, 'dhcp waits for its interface')
    link.missing = kind
  }

  function drop(link: Kept, why: string): void {
    if (link.channel) closeChannel(link.channel)
    link.channel = undefined
    link.missing = why
    link.isUp = undefined
  }

  function look(link: Kept): void {
    const { device } = link
    if (link.channel && device !== undefined && system.interfaceIndex(device) !== link.index)
      drop(link, 'removed')
    if (!link.channel) tryToOpen(link)
    noteAddresses(link)
  }

  function tryToOpen(link: Kept): void {
    try {
      openOne(link)
    } catch (error) {
      isMissing(link, error)
    }
  }

  function noteAddresses(link: Kept): void {
    const { device, channel } = link
    const subnets = subnetsOf(device, serverIp)
    // what is decided on a link is kept for as long as they are the same object
    if (!isSame(subnets, link.subnets)) link.subnets = subnets
    if (!channel) return
    const isUp = link.subnets.length > 0
    if (link.isUp === true && !isUp)
      log.warn({ device, serverIp }, 'dhcp: the interface is down or has no address')
    if (link.isUp === false && isUp) log.info({ device, serverIp }, 'dhcp: the interface is up')
    link.isUp = isUp
  }

  return {
    open: () => {
      for (const link of links) {
        try {
          openOne(link)
        } catch (error) {
          if (!mayPass(error)) throw error
          isMissing(link, error)
        }
        noteAddresses(link)
      }
    },
    areOpen: () => links.every(({ channel }) => channel),
    port: () => port,
    follow: async (signal) => {
      while (!signal.aborted) {
        await clock.sleep(lookMs, signal)
        if (!signal.aborted) for (const link of links) look(link)
      }
    },
    failed: (channel, error) => {
      const link = links.find((candidate) => candidate.channel === channel)
      if (!link) return
      log.warn({ device: link.device, serverIp, why: error.message }, 'dhcp: a socket failed')
      drop(link, error.message)
    },
    close: () => {
      for (const { channel } of links) if (channel) closeChannel(channel)
    },
  }
}

const isSame = (one: readonly Subnet[], other: readonly Subnet[]): boolean =>
  one.length === other.length &&
  one.every(({ ip, netmask }, at) => ip === other[at]!.ip && netmask === other[at]!.netmask)

/** Addresses of the interface that is served: of `device`, else of the one that holds `serverIp`. */
function subnetsOf(device: string | undefined, serverIp: Ip4): Subnet[] {
  const found = Object.entries(networkInterfaces()).find(([name, addresses]) =>
    device === undefined ? addresses?.some(({ address }) => address === serverIp) : name === device,
  )
  return (found?.[1] ?? []).flatMap(({ address, netmask }) => {
    const [ip, mask] = [parseIp4(address), parseIp4(netmask)]
    return ip && mask ? [{ ip, netmask: mask }] : []
  })
}
