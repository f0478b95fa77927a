import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const program = fileURLToPath(new URL('../../bench/run.ts', import.meta.url))
const bench = (...args: string[]) =>
  spawnSync(process.execPath, ['--import=tsx', program, ...args], { encoding: 'utf8' })

t.test('the runner says what it can do and what there is', async (t) => {
  const help = bench('--help')
  t.equal(help.status, 0)
  t.match(help.stdout, 'npm run bench api/import')
  const list = bench('--list')
  t.equal(list.status, 0)
  t.same(list.stdout.trim().split('\n'), [
    'api/create',
    'api/import',
    'api/list',
    'api/patch',
    'api/watch',
    'dhcp/dora',
    'dhcp/under-load',
    'disk/write',
    'grpc/agents',
    'http/image',
    'tftp/read',
  ])
})

t.test('a name that there is not is refused, with those that there are', async (t) => {
  const { status, stderr } = bench('api/nothing')
  t.equal(status, 2)
  t.match(stderr, /there is no bench "api\/nothing".*api\/import/)
})
