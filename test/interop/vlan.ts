import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { end } from './spaces.ts'
import type { Bridge, Space } from './spaces.ts'

/** Two interfaces, and the VLAN that frames are in at the second one. */
export type TagEnds = { plain: string; tagged: string; vlan: number }

/** An interface of `space` that stands in a tagged VLAN of a link. */
export type VlanInterface = { space: Space; device: string; vlan: number; mac?: string; address?: string }

const program = fileURLToPath(new URL('vlan-run.ts', import.meta.url))
let made = 0

/**
 * Makes interfaces that stand in tagged VLANs of `link`, by a program of its own: a kernel may be without VLANs.
 * @throws Error with what the program said when it ends instead
 */
export async function addVlans(link: Bridge, wanted: readonly VlanInterface[]): Promise<AsyncDisposable> {
  const ends = wanted.map(({ vlan }) => {
    made += 1
    return { plain: `plain${made}`, tagged: `tagged${made}`, vlan }
  })
  // each interface has a reader that waits in a thread of its own
  const threads = `UV_THREADPOOL_SIZE=${2 * ends.length + 4}`
  const node = [process.execPath, '--import=tsx', program, JSON.stringify(ends)]
  const child = link.space.start('env', threads, ...node)
  const said: string[] = []
  child.stderr!.on('data', (text) => said.push(String(text)))
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]()
  const isSaid = async () => {
    if ((await lines.next()).done) throw new Error(`the VLANs' program ended: ${said.join('')}`)
  }
  await isSaid()
  for (const [index, { plain, tagged }] of ends.entries()) {
    await link.space.ip('link', 'set', tagged, 'master', link.name, 'up')
    await hand(link.space, plain, wanted[index]!)
  }
  child.stdin!.write('\n')
  await isSaid()
  return { [Symbol.asyncDispose]: () => end(child, 'SIGKILL') }
}

/** Puts the interface `plain` of `from` into its place, as it is wanted. */
async function hand(
  from: Space,
  plain: string,
  { space, device, mac, address }: VlanInterface,
): Promise<void> {
  await from.ip('link', 'set', plain, 'netns', space.name)
  await space.ip('link', 'set', plain, 'name', device, ...(mac ? ['address', mac] : []))
  if (address) await space.ip('addr', 'add', address, 'dev', device)
  await space.ip('link', 'set', device, 'up')
}
