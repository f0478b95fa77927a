import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { createNetwork } from '../../src/lab/netns.ts'

const run = promisify(execFile)
const names = async () => (await run('ip', ['netns', 'list'])).stdout
const skip = process.getuid?.() === 0 ? false : 'not root: no network namespaces'

t.test('a network is there with its address, and gone afterwards', { skip }, async (t) => {
  let name = ''
  {
    await using network = await createNetwork('192.168.78')
    name = network.name
    t.equal(network.host(10), '192.168.78.10')
    t.equal(await network.addTap(), 'tap0')
    const { stdout } = await run(...network.inside(['ip', '-brief', 'addr', 'show', 'br0']))
    t.match(stdout, '192.168.78.1/24')
  }
  t.notMatch(await names(), name)
})

t.test('two networks have the same addresses and do not see each other', { skip }, async (t) => {
  await using first = await createNetwork()
  await using second = await createNetwork()
  t.equal(first.address, second.address)
  t.not(first.name, second.name)
})

t.test('what runs inside ends with the network', { skip }, async (t) => {
  let ended: Promise<unknown>
  {
    await using network = await createNetwork()
    ended = run(...network.inside(['sleep', '600'])).catch((error: unknown) => error)
    while (!(await run('ip', ['netns', 'pids', network.name])).stdout.trim()) continue
  }
  t.match(await ended, { signal: 'SIGKILL' })
})

t.test('what a dead owner left behind is removed', { skip }, async (t) => {
  const gone = spawnSync('true').pid
  const left = `ironwake-${gone}-1`
  await run('ip', ['netns', 'add', left])
  await using network = await createNetwork()
  const list = await names()
  t.notMatch(list, left)
  t.match(list, network.name)
})
