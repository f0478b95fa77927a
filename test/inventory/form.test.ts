import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { open, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { request } from 'node:https'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import t from 'tap'
import { importCsv } from '../../src/inventory/import.ts'
import { systemClock as clock } from '../../src/model/clock.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { holderOf } from '../kube/client.ts'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'

const run = promisify(execFile)
const header = 'hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk'
const line = (n: number) =>
  `n${n},52:54:00:77:02:0${n},192.168.77.2${n},255.255.255.0,192.168.77.1,8.8.8.8,type=cp,/dev/sda`
const file = [header, line(1), line(2), ''].join('\n')

let server: TestServer
let csv: string
let config: string
let token: string
let target: string
const stop = new AbortController()
let looking: Promise<void>
t.before(async () => {
  const log = pino({ level: 'silent' })
  const lookup = createLookup()
  const deps = () => ({ ...server.db, inventory: lookup, clock, newUid: randomUUID, log })
  server = await startServer({ importCsv: (body, options) => importCsv(deps(), body, options) })
  looking = runLookup({ store: server.db.store, lookup, log }, stop.signal)
  target = `${server.url}/ironwake/v1/hardware/import`
  csv = join(server.dataDir, 'hardware.csv')
  await writeFile(csv, file)
  token = (await holderOf(server, 'importer')).token
  // Credentials in a file, not among the arguments.
  config = join(server.dataDir, 'curl.conf')
  const lines = [`cacert = "${server.dataDir}/ca.pem"`, 'silent', `header = "authorization: Bearer ${token}"`]
  await writeFile(join(server.dataDir, 'ca.pem'), server.pki.caPem)
  await writeFile(config, lines.join('\n'))
})
t.after(async () => {
  stop.abort()
  await looking
  await server.close()
})

async function curl(...args: string[]): Promise<{ status: number; text: string }> {
  const { stdout } = await run('curl', ['--config', config, '-w', '\n%{http_code}', ...args])
  const at = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(at + 1)), text: stdout.slice(0, at) }
}
const names = async () => (await server.db.store.list('Hardware')).items.map((item) => item.metadata.name)
const staged = () => server.db.side.list('import', '')
const isStaged = async (wanted: boolean) => {
  while ((await staged()).length > 0 !== wanted) await clock.sleep(5)
}
async function clear(): Promise<void> {
  for (const name of await names())
    await server.db.store.delete({ kind: 'Hardware', namespace: 'eksa-system', name })
}

for (const version of ['--http1.1', '--http2']) {
  t.test(`curl ${version} sends the file as a form, or as it is`, async (t) => {
    const form = await curl(version, '-F', `file=@${csv}`, `${target}?dryRun=true`)
    t.equal(form.status, 200)
    t.match(JSON.parse(form.text), { created: 2, changes: [{ name: 'eksa-system/n1' }, {}] })
    const done = await curl(version, '-F', `anything=@${csv};type=application/vnd.ms-excel`, target)
    t.match({ ...done, text: JSON.parse(done.text) }, { status: 200, text: { created: 2, unchanged: 0 } })
    t.same(await names(), ['n1', 'n2'])
    const plain = await curl(version, '-H', 'content-type: text/csv', '--data-binary', `@${csv}`, target)
    t.match({ ...plain, text: JSON.parse(plain.text) }, { status: 200, text: { created: 0, unchanged: 2 } })
    await clear()
  })

  t.test(`a form answers with lines of progress too (${version})`, async (t) => {
    const { text } = await curl(version, '-H', 'accept: application/x-ndjson', '-F', `file=@${csv}`, target)
    const lines = text
      .trim()
      .split('\n')
      .map((one) => JSON.parse(one) as object)
    t.match(lines[0], { phase: 'reading', rows: 2, done: file.length, total: 0 })
    t.match(lines.at(-1), { phase: 'done', created: 2 })
    await clear()
    const none = await curl(version, '-H', 'accept: application/x-ndjson', '-F', 'file=x', target)
    t.match(JSON.parse(none.text), { phase: 'failed', code: 400, message: /the form has a field "file"/ })
  })
}

t.test('faults in a file are told as ever', async (t) => {
  const bad = join(server.dataDir, 'bad.csv')
  await writeFile(bad, file.replace('/dev/sda', 'sda'))
  const refused = await curl('-F', `file=@${bad}`, target)
  t.equal(refused.status, 422)
  t.match(JSON.parse(refused.text), { faults: [{ line: 2, column: 'disk' }], moreFaults: 0 })
})

const wrong = [
  { name: 'no file', form: ['-F', 'dryRun=true'], message: /the form has a field "dryRun"; .* URL/ },
  { name: 'the file as a field', form: ['-F', 'file=<CSV'], message: /the form has a field "file"/ },
  { name: 'two files', form: ['-F', 'a=@CSV', '-F', 'b=@CSV'], message: /more than one file/ },
  { name: 'a field before the file', form: ['-F', 'n=x', '-F', 'a=@CSV'], message: /field "n"/ },
  { name: 'a field behind the file', form: ['-F', 'a=@CSV', '-F', 'n=x'], message: /field "n"/ },
  { name: 'a file with a reserved name', form: ['-F', '__proto__=@CSV'], message: /the form cannot be read/ },
]
for (const { name, form, message } of wrong)
  for (const version of ['--http1.1', '--http2'])
    t.test(`a form with ${name} is refused, and nothing is imported (${version})`, async (t) => {
      const refused = await curl(version, ...form.map((text) => text.replace('CSV', csv)), target)
      t.equal(refused.status, 400)
      t.match(JSON.parse(refused.text), { kind: 'Status', reason: 'BadRequest', message })
      t.same(await names(), [])
      t.same(await staged(), [])
    })

const part = `--b\r\nContent-Disposition: form-data; name="file"; filename="h.csv"\r\n\r\n${file}`
const broken = [
  { name: 'that ends inside the file', body: part, message: /the file broke off after \d+ bytes/ },
  {
    name: 'whose last boundary is cut',
    body: `${part}\r\n--b`,
    message: /the file broke off after \d+ bytes/,
  },
  { name: 'of nothing', body: '--b--\r\n', message: /the form has no file/ },
  { name: 'that is empty', body: '', message: /the form has no file/ },
  { name: 'with other boundaries', body: part.replace('--b', '--c'), message: /broke off|no file/ },
]
for (const { name, body, message } of broken)
  t.test(`a form ${name} is refused, and nothing is imported`, async (t) => {
    const path = join(server.dataDir, 'body')
    await writeFile(path, body)
    const type = 'content-type: multipart/form-data; boundary=b'
    const refused = await curl('-H', type, '--data-binary', `@${path}`, target)
    t.equal(refused.status, 400)
    t.match(JSON.parse(refused.text), { reason: 'BadRequest', message })
    t.same(await names(), [])
    t.same(await staged(), [])
  })

t.test('a form without a boundary, and other multipart types, are refused', async (t) => {
  const send = (type: string) =>
    curl('-H', `content-type: ${type}`, '--data-binary', `@${csv}`, target).then(({ status }) => status)
  t.equal(await send('multipart/form-data'), 400)
  t.equal(await send('multipart/mixed; boundary=b'), 415)
})

t.test('a form that breaks off while it is sent imports nothing', async (t) => {
  const type = 'multipart/form-data; boundary=b'
  const headers = { 'content-type': type, authorization: `Bearer ${token}` }
  const { port } = server
  const session = connect(`https://127.0.0.1:${port}`, { ca: server.pki.caPem })
  const stream = session.request({ ':method': 'POST', ':path': new URL(target).pathname, ...headers })
  stream.on('error', () => {})
  stream.write(part)
  await isStaged(true)
  session.destroy()
  await isStaged(false)
  const sent = request(target, { method: 'POST', headers, ca: server.pki.caPem })
  sent.on('error', () => {})
  sent.write(part)
  await isStaged(true)
  sent.destroy()
  await isStaged(false)
  const big = join(server.dataDir, 'big.csv')
  await writeFile(big, `${header}\n${`${line(3)}\n`.repeat(2000)}`)
  const slow = spawn('curl', ['--config', config, '--limit-rate', '20k', '-F', `file=@${big}`, target])
  await isStaged(true)
  slow.kill('SIGKILL')
  await once(slow, 'close')
  await isStaged(false)
  t.same(await names(), [])
})

t.test('a form of 60 MB goes through in little memory', async (t) => {
  const big = join(server.dataDir, 'big.csv')
  const rows = 600
  const handle = await open(big, 'w')
  await handle.write(`${header},user_data\n`)
  for (let n = 0; n < rows; n++) {
    const place = `52:54:00:78:0${Math.floor(n / 256)}:${(n % 256).toString(16).padStart(2, '0')},10.9.${Math.floor(n / 256)}.${n % 256}`
    await handle.write(
      `m${n},${place},255.255.0.0,10.9.255.1,8.8.8.8,type=cp,/dev/sda,${'x'.repeat(100_000)}\n`,
    )
  }
  await handle.close()
  t.ok((await stat(big)).size > 60_000_000)
  const before = process.memoryUsage().rss
  let most = before
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 10)
  const done = await curl('-F', `file=@${big}`, `${target}?dryRun=true`)
  clearInterval(timer)
  t.match({ ...done, text: JSON.parse(done.text) }, { status: 200, text: { created: rows } })
  const grown = Math.round((most - before) / 1024 / 1024)
  t.comment(`${grown} MiB more`)
  t.ok(grown < 60, `${grown} MiB more`)
})

t.end()
