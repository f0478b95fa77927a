import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { createNetwork } from '../../src/lab/netns.ts'
import type { Site } from './bench.ts'

const run = promisify(execFile)

export type BenchNetwork = AsyncDisposable & {
  site: Pick<Site, 'address' | 'device' | 'relay'>
  /** Program and arguments that run `command` beside the server. */
  inside(command: readonly string[]): [string, string[]]
}

/**
 * The server's network and, joined to it by a cable and a route, the one of a DHCP relay: a relay listens on the server's
 * port, so it cannot be in the same.
 * @throws AppError FailedPrecondition when it cannot be made (not root, no `ip`)
 */
export async function createBenchNetwork(): Promise<BenchNetwork> {
  const house = await createNetwork('192.168.77')
  try {
    const relay = await createNetwork('192.168.78')
    try {
      await join(house.name, relay.name)
    } catch (error) {
      await relay[Symbol.asyncDispose]()
      throw error
    }
    const dispose = async () => {
      await relay[Symbol.asyncDispose]()
      await house[Symbol.asyncDispose]()
    }
    const site = {
      address: house.address,
      device: house.bridge,
      relay: { namespace: relay.name, address: relay.address, gateway },
    }
    return { site, inside: house.inside, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await house[Symbol.asyncDispose]()
    throw error
  }
}

/** of the machines, as hardware.csv has it (`writeCsv`) */
const gateway = '10.0.0.1'

async function join(house: string, relay: string): Promise<void> {
  const ip = (namespace: string, ...words: string[]) => run('ip', ['-n', namespace, ...words])
  await ip(house, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', relay)
  for (const end of [house, relay]) await ip(end, 'link', 'set', 'cable', 'master', 'br0', 'up')
  await ip(house, 'route', 'add', '192.168.78.0/24', 'dev', 'br0')
  await ip(relay, 'route', 'add', '192.168.77.0/24', 'dev', 'br0')
  await ip(relay, 'addr', 'add', `${gateway}/8`, 'dev', 'br0')
  await ip(house, 'route', 'add', '10.0.0.0/8', 'dev', 'br0')
}
