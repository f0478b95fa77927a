import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { until } from './spaces.ts'
import type { Bridge, Site, Space } from './spaces.ts'

/** A DHCP message to the server's port or the client's: of which machine, and option 53. */
export type Message = { to: 67 | 68; mac: string; type: number }

/** Another host on a link, and the messages that reached it, which are the broadcast ones. */
export type Heard = {
  space: Space
  all(mac: string): readonly Message[]
  /** those to the server's port */
  requests(mac: string): readonly Message[]
  /** Waits for this many messages, in either direction. */
  waitFor(mac: string, count: number): Promise<readonly Message[]>
}

const program = fileURLToPath(new URL('bystander.ts', import.meta.url))

/** @param address of the other host, with prefix length */
export async function listen(site: Site, link: Bridge, address: string): Promise<Heard> {
  const space = await site.space()
  await site.plug(space, 'eth0', link, { address })
  return listenIn(space)
}

/** Listens on all interfaces of a namespace. */
export async function listenIn(space: Space): Promise<Heard> {
  const child = space.start(process.execPath, '--import=tsx', program)
  const messages: Message[] = []
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the bystander ended with ${code}`)))
    createInterface(child.stdout!).on('line', (line) => {
      if (line === 'listening') resolve()
      else messages.push(JSON.parse(line) as Message)
    })
  })
  const all = (mac: string) => messages.filter((message) => message.mac === mac)
  return {
    space,
    all,
    requests: (mac) => all(mac).filter(({ to }) => to === 67),
    waitFor: (mac, count) =>
      until(
        () => all(mac).length >= count && all(mac),
        () => `${mac}: of ${count} messages only ${JSON.stringify(all(mac))}`,
      ),
  }
}
