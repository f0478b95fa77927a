import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { request } from 'node:https'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import t from 'tap'
import { exportCsv } from '../../src/inventory/export.ts'
import { importCsv } from '../../src/inventory/import.ts'
import { systemClock as clock } from '../../src/model/clock.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { start } from '../cli/run.ts'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'

const run = promisify(execFile)
const header = 'hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk'
const line = (n: number) =>
  `n${n},52:54:00:77:01:0${n},192.168.77.1${n},255.255.255.0,192.168.77.1,8.8.8.8,type=cp,/dev/sda`
const file = [header, line(1), line(2), ''].join('\n')
const url = '/ironwake/v1/hardware'

let server: TestServer
let csv: string
let config: string
const stop = new AbortController()
let looking: Promise<void>
t.before(async () => {
  const log = pino({ level: 'silent' })
  const lookup = createLookup()
  const deps = () => ({ ...server.db, inventory: lookup, clock, newUid: randomUUID, log })
  server = await startServer({
    importCsv: (body, options) => importCsv(deps(), body, options),
    exportCsv: (options) => exportCsv(deps(), options),
  })
  looking = runLookup({ store: server.db.store, lookup, log }, stop.signal)
  csv = join(server.dataDir, 'hardware.csv')
  await writeFile(csv, file)
  // Credentials in a file, not among the arguments.
  const token = /token: (\S+)/.exec(await readFile(server.pki.kubeconfigPath, 'utf8'))?.[1] ?? ''
  config = join(server.dataDir, 'curl.conf')
  await writeFile(config, `insecure\nsilent\nheader = "authorization: Bearer ${token}"\n`)
})
t.after(async () => {
  stop.abort()
  await looking
  await server.close()
})

async function curl(...args: string[]): Promise<{ status: number; text: string }> {
  const { stdout } = await run('curl', ['--config', config, '-w', '\n%{http_code}', ...args], {
    maxBuffer: 1 << 26,
  })
  const at = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(at + 1)), text: stdout.slice(0, at) }
}
const post = (...args: string[]) => curl('-H', 'content-type: text/csv', ...args)
const names = async () => (await server.db.store.list('Hardware')).items.map((item) => item.metadata.name)
const staged = () => server.db.side.list('import', '')

for (const version of ['--http1.1', '--http2'])
  t.test(`curl ${version} imports a file and reads it back`, async (t) => {
    const dry = await post(version, '--data-binary', `@${csv}`, `${server.url}${url}/import?dryRun=true`)
    t.equal(dry.status, 200)
    t.match(JSON.parse(dry.text), { created: 2, changes: [{ name: 'eksa-system/n1', action: 'added' }, {}] })
    const done = await post(version, '--data-binary', `@${csv}`, `${server.url}${url}/import`)
    t.equal(done.status, 200)
    t.match(JSON.parse(done.text), { created: 2, updated: 0, unchanged: 0, gone: { count: 0 } })
    const out = await curl(version, `${server.url}${url}/export?labelSelector=type%3Dcp`)
    t.match(out, { status: 200, text: /^hostname,mac,.*\nn1,52.*,eksa-system,x86_64,true\nn2,/ })
    for (const name of await names())
      await server.db.store.delete({ kind: 'Hardware', namespace: 'eksa-system', name })
  })

t.test('progress comes as JSON lines, the result or the failure last', async (t) => {
  const lines = async (path: string) => {
    const { text } = await post('-H', 'accept: application/x-ndjson', '--data-binary', `@${path}`, target)
    return text
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text))
  }
  const target = `${server.url}${url}/import`
  const good = await lines(csv)
  t.match(good[0], { phase: 'reading', rows: 2, done: file.length, total: file.length })
  t.match(good.at(-1), { phase: 'done', created: 2, unchanged: 0 })
  const bad = join(server.dataDir, 'bad.csv')
  await writeFile(bad, file.replace('/dev/sda', 'sda'))
  const report = { phase: 'failed', code: 422, faults: [{ line: 2, column: 'disk' }], moreFaults: 0 }
  t.match((await lines(bad)).at(-1), report)
  const plain = await post('--data-binary', `@${bad}`, target)
  t.equal(plain.status, 422)
  t.match(JSON.parse(plain.text), { reason: 'Invalid', faults: report.faults })
})

t.test('other types of body are refused with a hint', async (t) => {
  for (const type of ['application/x-www-form-urlencoded', 'application/json', 'image/png']) {
    const refused = await curl(
      '-H',
      `content-type: ${type}`,
      '--data-binary',
      `@${csv}`,
      `${server.url}${url}/import`,
    )
    t.equal(refused.status, 415)
    t.match(JSON.parse(refused.text).message, /content type text\/csv/)
  }
  t.equal((await curl('-X', 'POST', `${server.url}${url}/import`)).status, 415)
  t.equal(
    (await post('--data-binary', `@${csv}`, `${server.url}${url}/import?namespace=No_Such`)).status,
    400,
  )
})

for (const version of ['--http1.1', '--http2'])
  t.test(`a line without end is cut off while it is sent (${version})`, async (t) => {
    const endless = `(printf '${header}\\n'; head -c 300000000 /dev/zero | tr '\\0' x) | curl --config ${config} ${version} -w '\\n%{http_code}' -H 'content-type: text/csv' -T - -X POST ${server.url}${url}/import`
    const before = process.memoryUsage().rss
    const { stdout } = await run('sh', ['-c', endless])
    t.match(stdout, /a row of at most 128 KiB/)
    t.match(stdout, /\n422$/)
    t.ok(process.memoryUsage().rss - before < 100 * 1024 * 1024, 'in little memory')
    t.same(await staged(), [])
  })

t.test('a file that breaks off is no file', async (t) => {
  const before = await names()
  const token = /Bearer ([^"]+)/.exec(await readFile(config, 'utf8'))![1]!
  const headers = { 'content-type': 'text/csv', authorization: `Bearer ${token}` }
  const gone = async () => {
    while ((await staged()).length > 0) await clock.sleep(5)
  }
  const begun = async () => {
    while ((await staged()).length === 0) await clock.sleep(5)
  }
  const session = connect(server.url, { rejectUnauthorized: false })
  const stream = session.request({ ':method': 'POST', ':path': `${url}/import`, ...headers })
  stream.on('error', () => {})
  stream.write(`${header}\n${line(7)}\n`)
  await begun()
  session.destroy()
  await gone()
  const sent = request(`${server.url}${url}/import`, { method: 'POST', headers, rejectUnauthorized: false })
  sent.on('error', () => {})
  sent.write(`${header}\n${line(8)}\n`)
  await begun()
  sent.destroy()
  await gone()
  t.same(await names(), before)
})

t.test(
  'secrets are exported only when they are asked for, and only to those who may read them',
  async (t) => {
    const bmc = `${header},bmc_ip,bmc_username,bmc_password\n${line(3)},10.0.9.3,root,hunter2\n`
    await writeFile(csv, bmc)
    t.equal((await post('--data-binary', `@${csv}`, `${server.url}${url}/import`)).status, 200)
    t.notMatch((await curl(`${server.url}${url}/export`)).text, 'hunter2')
    t.match(
      (await curl(`${server.url}${url}/export?secrets=true&namespace=eksa-system`)).text,
      /root,hunter2/,
    )
    t.match((await curl(`${server.url}${url}/export?secrets=true&namespace=none`)).text, /^hostname[^\n]*\n$/)
  },
)

t.test(
  'the command line shows a bar, what a dry run would change, and writes what it can read',
  async (t) => {
    const cli = async (...argv: string[]) => {
      const stderr = { write: (text: string) => (drawn += text), isTTY: true, columns: 100 }
      let drawn = ''
      const { code, out } = await start(['hardware', ...argv], server.pki.kubeconfigPath, { stderr }).ended
      return { code, out, err: drawn }
    }
    const out = join(server.dataDir, 'out.csv')
    await writeFile(csv, [header, line(1), line(2).replace('/dev/sda', '/dev/sdb'), line(5), ''].join('\n'))
    const dry = await cli('import', '--dry-run', csv)
    t.match(dry, { code: 0, err: /reading {2}[#█]+ {2}100%/ })
    t.same(
      dry.out.split('\n').map((text) => text.split(/ {2,}/)),
      [
        ['LINE', 'MACHINE', 'CHANGE', 'FIELD', 'FROM', 'TO'],
        ['3', 'eksa-system/n2', 'changed', 'spec.disks[0].device', '/dev/sda', '/dev/sdb'],
        ['4', 'eksa-system/n5', 'added'],
        [''],
        ['1 created, 1 updated, 1 unchanged (dry run, nothing stored)'],
        ['1 imported before, not in this file, left alone: eksa-system/n3'],
        [''],
      ],
    )
    t.match(await cli('import', csv), {
      code: 0,
      out: /^1 created, 1 updated/,
      err: /storing {2}[#█]+ {2}100% {2}3 of 3 rows/,
    })
    t.same(await cli('export', '--with-secrets', '-l', 'type=cp', out), { code: 0, out: '', err: '' })
    t.equal((await stat(out)).mode & 0o777, 0o600)
    t.match(await cli('import', out, '-o', 'yaml'), {
      code: 0,
      out: /^created: 0\nupdated: 0\nunchanged: 4\n/,
    })
    const list = await cli('export')
    t.equal(list.out.split('\n').length, 6)
    t.notMatch(list.out, /hunter2/)
    await writeFile(csv, `${file}bad\n`)
    t.match(await cli('import', csv), {
      code: 1,
      out: /^LINE.*\n4 .*1 fields/,
      err: /error: 1 fault; nothing was imported/,
    })
  },
)

t.end()
