import { answerer } from './answerer.ts'
import { createLinks } from './channels.ts'
import type { Links } from './channels.ts'
import type { Door } from './contexts.ts'
import { createSending, listen } from './datagrams.ts'
import type { DhcpDeps } from './deps.ts'
import { loadSystem } from './socket.ts'

export type { DhcpDeps, PoolDeps } from './deps.ts'

const pxePort = 4011

/**
 * Answers DHCP until `signal` aborts. No packet ends it, and no interface or address that goes away or comes late: it
 * says so, and goes on when it is there.
 * @throws AppError Unavailable at the start, for a port in use or a missing right
 */
export function dhcpServer(deps: DhcpDeps): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    if (signal.aborted) return
    const system = loadSystem()
    const answer = answerer(deps)
    const isProxy = deps.mode !== undefined && deps.mode !== 'reservation'
    const doors = new Map<Door, Links>([['dhcp', linksOf('dhcp', deps.port)]])
    if (isProxy) doors.set('proxy', linksOf('proxy', deps.proxyPort ?? pxePort))
    let isAnnounced = false
    function announce(): void {
      if (isAnnounced || ![...doors.values()].every((links) => links.areOpen())) return
      isAnnounced = true
      const { serverIp, interfaces, mode } = deps
      deps.log.info({ serverIp, interfaces, ...(mode && { mode }) }, 'dhcp listens')
      deps.onListening?.(doors.get('dhcp')!.port(), doors.get('proxy')?.port())
    }
    function linksOf(door: Door, port: number): Links {
      const links: Links = createLinks({
        ...deps,
        port,
        serve(link, channel) {
          const { send, together } = createSending(channel.own, system)
          const way = { port: channel.port, send, link, door }
          for (const endpoint of [channel.any, channel.own]) {
            listen(endpoint, system, together, (bytes, from) =>
              answer({ bytes, from, way, startedAt: performance.now() }),
            )
            endpoint.socket.on('error', (error) => links.failed(channel, error))
          }
          announce()
        },
      })
      return links
    }
    const all = [...doors.values()]
    try {
      for (const links of all) links.open()
      await Promise.all(all.map((links) => links.follow(signal)))
    } finally {
      for (const links of all) links.close()
      await deps.pool?.keeper.flush()
    }
  }
}
