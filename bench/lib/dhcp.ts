import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Site } from './bench.ts'
import { compiled } from './compiled.ts'
import { anywhere, onCore } from './cores.ts'
import type { DhcpLoad, DhcpReading } from './dhcp-client.ts'

/** Machines behind a relay that ask for their addresses all the time. */
export type DhcpClients = AsyncDisposable & {
  /** how long the server took to answer since the last call, or the start */
  reading(): Promise<DhcpReading>
}

/**
 * Starts asking, `perSecond` times a second, for the machines with these MACs.
 * @param core the one that it runs on; any when left out
 */
export function startDhcp(
  site: Site,
  { macs, perSecond }: Pick<DhcpLoad, 'macs' | 'perSecond'>,
  core?: number,
): DhcpClients {
  const load: DhcpLoad = { server: site.address, relay: site.relay.gateway, macs, perSecond }
  const program = [
    process.execPath,
    compiled(new URL('dhcp-client.ts', import.meta.url)),
    JSON.stringify(load),
  ]
  const namespace = `--net=/run/netns/${site.relay.namespace}`
  const [command, args] = core === undefined ? anywhere(program) : onCore(core, program)
  const child = spawn('nsenter', [namespace, command, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return {
    async reading() {
      child.stdin.write('\n')
      const line = await lines.next()
      if (line.done) throw new Error('the DHCP clients have ended')
      return JSON.parse(line.value) as DhcpReading
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
    },
  }
}
