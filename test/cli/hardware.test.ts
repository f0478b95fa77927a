import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { hardware, startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { runner } from './run.ts'

let server: TestServer
const imported: { text: string; options: object }[] = []
t.before(async () => {
  server = await startServer({
    importCsv: async (body, { namespace, dryRun }) => {
      let text = ''
      for await (const bytes of body) text += Buffer.from(bytes).toString()
      imported.push({ text, options: { namespace, dryRun } })
      if (!text.includes('bad'))
        return { created: 2, updated: 0, unchanged: 1, warnings: ['line 3: no disk'] }
      return {
        faults: [{ line: 2, column: 'mac', value: 'bad\u001b[2J', expected: 'a MAC address' }],
        warnings: [],
      }
    },
  })
})
t.after(() => server.close())
const run = runner(() => server)

t.test('hardware import says what it did and what it noticed', async (t) => {
  const file = join(server.dataDir, 'hardware.csv')
  await writeFile(file, 'hostname,mac\n')
  const done = await run(['hardware', 'import', file, '--dry-run', '-n', 'lab'])
  t.same(done, {
    code: 0,
    out: '2 created, 0 updated, 1 unchanged (dry run, nothing stored)\n',
    err: 'warning: line 3: no disk\n',
  })
  t.same(imported.at(-1), { text: 'hostname,mac\n', options: { namespace: 'lab', dryRun: true } })
  const json = await run(['hardware', 'import', '-', '-o', 'json'], { readStdin: async () => 'stdin' })
  t.match(JSON.parse(json.out), { created: 2, unchanged: 1 })
  t.same(imported.at(-1), { text: 'stdin', options: { namespace: 'eksa-system', dryRun: false } })
})

t.test('hardware import shows faults as a table and fails', async (t) => {
  const readStdin = async () => 'bad'
  const failed = await run(['hardware', 'import', '-'], { readStdin })
  t.same(failed, {
    code: 1,
    out: 'LINE  COLUMN  VALUE    EXPECTED\n2     mac     bad?[2J  a MAC address\n',
    err: 'error: 1 fault; nothing was imported\n',
  })
  const json = await run(['hardware', 'import', '-', '-o', 'json'], { readStdin })
  t.equal(json.code, 1)
  t.match(JSON.parse(json.out), { faults: [{ line: 2, column: 'mac' }] })
  t.match(await run(['hardware', 'import', '/tmp']), { code: 1, err: /cannot read \/tmp: it is a folder/ })
  t.match(await run(['hardware', 'import', '/nowhere.csv']), { code: 1, err: /cannot read \/nowhere\.csv/ })
})

t.test('hardware list shows machines of all namespaces', async (t) => {
  t.match(await run(['hardware', 'list']), { code: 0, out: '', err: 'no hardware found\n' })
  await server.client.create(hardware('m1', { type: 'cp', 'v1alpha1.tinkerbell.org/ownerName': 'node-1' }))
  await server.client.create({
    ...hardware('m2', {}, '52:54:00:00:00:02'),
    metadata: { name: 'm2', namespace: 'lab' },
  })
  const { code, out } = await run(['hardware', 'list'])
  t.equal(code, 0)
  t.same(
    out.split('\n').map((line) => line.split(/ {2,}/)),
    [
      ['NAMESPACE', 'NAME', 'MAC', 'IP', 'DISK', 'LABELS', 'OWNER', 'STATE'],
      ['lab', 'm2', '52:54:00:00:00:02', '10.0.0.9', '/dev/vda', '-', '-', '-'],
      ['ns1', 'm1', '52:54:00:00:00:01', '10.0.0.9', '/dev/vda', 'type=cp', 'node-1', '-'],
      [''],
    ],
  )
  const json = await run(['hardware', 'list', '-l', 'type=cp', '-o', 'json'])
  t.match(JSON.parse(json.out), { kind: 'HardwareList', items: [{ metadata: { name: 'm1' } }] })
  t.match(await run(['hardware', 'list', '-o', 'yaml', '-n', 'lab']), {
    out: /kind: HardwareList[^]*name: m2/,
  })
})

t.end()
