import { openConnection } from './api.ts'
import type { Api, Connection } from './api.ts'
import { spreadOf } from './stats.ts'
import type { Spread } from './stats.ts'
import type { BenchServer } from './server.ts'

/** Work that many clients did at once: `perSecond` by the clock, `perCpuSecond` by what the server used; latencies in ms. */
export type Work = { perSecond: number; perCpuSecond: number; latency: Spread }

export type Clients = Disposable & {
  /** Each client takes the next of `count` calls as soon as its last one is answered. */
  work(
    server: BenchServer,
    count: number,
    call: (client: Connection, at: number) => Promise<unknown>,
  ): Promise<Work>
}

/** `count` clients, each with a connection of its own. */
export async function createClients(api: Api, count: number): Promise<Clients> {
  const connections = await Promise.all(Array.from({ length: count }, () => openConnection(api)))
  return {
    async work(server, calls, call) {
      const latencies = new Float64Array(calls)
      let next = 0
      const began = performance.now()
      const cpu = server.cpuSeconds()
      await Promise.all(
        connections.map(async (connection) => {
          for (let at = next++; at < calls; at = next++) {
            const sentAt = performance.now()
            await call(connection, at)
            latencies[at] = performance.now() - sentAt
          }
        }),
      )
      const seconds = (performance.now() - began) / 1000
      const perCpuSecond = calls / (server.cpuSeconds() - cpu)
      return { perSecond: calls / seconds, perCpuSecond, latency: spreadOf(latencies) }
    },
    [Symbol.dispose]: () => connections.forEach((connection) => connection[Symbol.dispose]()),
  }
}
