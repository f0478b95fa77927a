import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { projectDir, readProjectFile } from './files.ts'

const run = promisify(execFile)
const unit = join(projectDir, 'deploy/systemd/ironwake.service')
const text = await readProjectFile('deploy/systemd/ironwake.service')
const valuesOf = (key: string) =>
  [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value)

const version = await run('systemd-analyze', ['--version']).then(
  ({ stdout }) => Number(/systemd (\d+)/.exec(stdout)?.[1]),
  () => 0,
)
const skip = version >= 250 ? false : 'systemd-analyze 250 or newer is not installed'

t.test('systemd reads the unit without a complaint', { skip }, async (t) => {
  const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', unit])
  t.equal(stdout + stderr, '')
})

t.test('systemd finds little that the server could do to the host', { skip }, async (t) => {
  // Thresholds count tenths: what is left is the network, which is what the server is for.
  const { stdout } = await run('systemd-analyze', [
    'security',
    '--offline=true',
    '--threshold=20',
    '--no-pager',
    unit,
  ])
  t.match(stdout, /Overall exposure level/)
})

t.test('JavaScript may be compiled, and ports below 1024 bound', async (t) => {
  t.strictSame(valuesOf('MemoryDenyWriteExecute'), ['no'])
  t.strictSame(valuesOf('AmbientCapabilities'), valuesOf('CapabilityBoundingSet'))
  t.match(valuesOf('RestrictAddressFamilies')[0], /AF_NETLINK/, 'the server asks for its own addresses')
})

t.test('the server keeps its state in the state directory, and has time to end', async (t) => {
  const [name] = valuesOf('StateDirectory')
  t.match(valuesOf('Environment')[0], `IRONWAKE_DATA_DIR=/var/lib/${name}`)
  t.ok(Number.parseInt(valuesOf('TimeoutStopSec')[0]!, 10) > 10)
})

t.test('every line of the example of its settings is one, those that are commented out too', async (t) => {
  const example = await readProjectFile('deploy/systemd/ironwake.env')
  const lines = [...example.matchAll(/^#?(IRONWAKE_\w+)=(.*)$/gm)]
  t.ok(lines.length > 3)
  const env = Object.fromEntries(lines.map(([, name, value]) => [name!, value!]))
  t.ok(loadConfig({ env, flags: {} }))
})
