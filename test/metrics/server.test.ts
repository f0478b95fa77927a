import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { tftpGet } from '../tftp/client.ts'
import { startServer } from './running.ts'

const exec = promisify(execFile)
const folder = await mkdtemp(join(tmpdir(), 'metrics-'))
t.teardown(() => rm(folder, { recursive: true }))

/** What curl says of a path of the API: the status on the last line. */
async function curl(port: number, path: string, ...words: string[]): Promise<{ code: string; body: string }> {
  const { stdout } = await exec(
    'curl',
    ['-sk', '-w', '\n%{http_code}', ...words, `https://127.0.0.1:${port}${path}`],
    { maxBuffer: 1 << 24 },
  )
  const end = stdout.lastIndexOf('\n')
  return { code: stdout.slice(end + 1), body: stdout.slice(0, end) }
}

t.test('a viewer may scrape a running server, and nobody without credentials', async (t) => {
  await using server = await startServer()
  const { api, http, tftp, metadata } = server.ports
  t.equal((await curl(api, '/metrics')).code, '401')
  const tokenOf = async (role: string) => {
    const answer = await server.client.request('POST', '/ironwake/v1/tokens', { role, ttlSeconds: 600 })
    return (answer.json as { token: string }).token
  }
  t.equal(
    (await curl(api, '/metrics', '-H', `authorization: Bearer ${await tokenOf('importer')}`)).code,
    '403',
  )
  const scrape = ['-H', `authorization: Bearer ${await tokenOf('viewer')}`]
  await t.rejects(tftpGet(tftp, 'no-such-file'))
  t.ok((await tftpGet(tftp, 'autoexec.ipxe')).data.length > 0)
  await fetch(`http://127.0.0.1:${http}/auto.ipxe`)
  await fetch(`http://127.0.0.1:${metadata}/latest/meta-data`)
  for (const protocol of ['--http1.1', '--http2']) {
    const { code, body } = await curl(api, '/metrics', protocol, ...scrape)
    t.equal(code, '200', protocol)
    t.match(body, /^ironwake_tftp_requests_total\{outcome="no-such-file"\} 1$/m)
    t.match(body, /^ironwake_tftp_requests_total\{outcome="sent"\} 1$/m)
    t.match(body, /^ironwake_tftp_bytes_total [1-9]/m)
    t.match(body, /^ironwake_http_requests_total\{service="boot",method="GET",route="[^"]+",code="404"\} 1$/m)
    t.match(
      body,
      /^ironwake_http_requests_total\{service="metadata",method="GET",route="[^"]+",code="404"\} 1$/m,
    )
    t.match(
      body,
      /^ironwake_http_requests_total\{service="api",method="POST",route="\/ironwake\/v1\/tokens",code="201"\} 2$/m,
    )
    t.match(body, /^ironwake_build_info\{version="\d[^"]*",node="v\d[^"]*"\} 1$/m)
    t.match(body, /^process_resident_memory_bytes [1-9]/m)
    t.match(body, /^nodejs_eventloop_lag_p99_seconds /m)
    await writeFile(join(folder, 'scrape'), `${body}\n`)
  }
  const skip = await exec('promtool', ['--version']).then(
    () => false,
    () => 'promtool is not installed',
  )
  await t.test('promtool finds no fault with it', { skip }, async (t) => {
    t.same(complaints(join(folder, 'scrape')), [])
  })
})

/** What promtool finds wrong with figures of our own; those of the process are as prom-client names them. */
function complaints(path: string): string[] {
  try {
    execFileSync('sh', ['-c', 'promtool check metrics < "$1"', 'sh', path], {
      encoding: 'utf8',
      stdio: 'pipe',
    })
    return []
  } catch (error) {
    const { stderr } = error as { stderr: string }
    return stderr.split('\n').filter((line) => line !== '' && !/^(process|nodejs)_/.test(line))
  }
}

t.test('metrics.open shows figures to whoever asks', async (t) => {
  await using server = await startServer('--metrics-open=true')
  const { code, body } = await curl(server.ports.api, '/metrics')
  t.equal(code, '200')
  t.match(body, /^# TYPE ironwake_dhcp_packets_total counter$/m)
})
