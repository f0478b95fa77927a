import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const scenes = fileURLToPath(new URL('links-scene.ts', import.meta.url))
const inSpace = (...command: string[]) => spawnSync('unshare', ['-rn', ...command], { timeout: 60_000 })
const lacks = ['ip', 'busybox'].find((tool) => inSpace('sh', '-c', `command -v ${tool}`).status !== 0)
const canPlug = inSpace('ip', 'link', 'add', 'a0', 'type', 'veth', 'peer', 'name', 'a1').status === 0
const skip = lacks ? `no network namespace with ${lacks} here` : !canPlug && 'no virtual interfaces here'

const waits = 'dhcp waits for its interface'
const has = 'dhcp has its interface'
const down = 'dhcp: the interface is down or has no address'
const up = 'dhcp: the interface is up'
const want = [
  { name: 'not there yet', served: false, said: [waits], readyIn: '' },
  { name: 'plugged in', served: true, said: [has, 'dhcp listens'], readyIn: 'plugged in' },
  { name: 'down', served: false, said: [down] },
  { name: 'up', served: true, said: [up] },
  { name: 'removed', served: false, said: [waits] },
  { name: 'back', served: true, said: [has] },
  { name: 'without its address', served: false, said: [down] },
  { name: 'with its address', served: true, said: [up] },
  { name: 'replaced at once', served: true, said: [has] },
]
t.test('the server outlives its interface and its address', { skip }, async (t) => {
  const { stdout, stderr } = inSpace(process.execPath, '--import=tsx', scenes)
  const lines = String(stdout).trim().split('\n')
  t.equal(lines.length, want.length, String(stderr))
  for (const [index, scene] of want.entries()) t.match(JSON.parse(lines[index] ?? '{}'), scene, scene.name)
})
