import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { runner } from './run.ts'

let server: TestServer
t.before(async () => {
  server = await startServer()
})
t.after(() => server.close())
const run = runner(() => server)

t.test('a server that is not there is named', async (t) => {
  const gone = await startServer()
  await gone.close()
  const dataDir = gone.dataDir
  const missing = await run(['hardware', 'list'], { env: { IRONWAKE_DATA_DIR: dataDir } })
  t.match(missing, { code: 1, err: /cannot read .*admin\.kubeconfig: there is no such file/ })
  const again = await startServer({ dataDir })
  await again.close()
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const unreachable = await run(['hardware', 'list'], { env: {}, signal: AbortSignal.timeout(5000) }).catch(
    () => undefined,
  )
  t.match(unreachable, { code: 1, err: /data\/admin\.kubeconfig/ })
  const refused = await run(['hardware', 'list', '--data-dir', dataDir])
  t.match(refused, {
    code: 1,
    err: /server not reachable at https:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\): is "ironwake serve" running\?/,
  })
})

t.test('a server with another CA is not trusted', async (t) => {
  const other = await startServer()
  t.teardown(() => other.close())
  const path = join(server.dataDir, 'mixed.kubeconfig')
  const text = await readFile(server.pki.kubeconfigPath, 'utf8')
  await writeFile(path, text.replace(server.url, other.url))
  t.match(await run(['hardware', 'list', '--kubeconfig', path]), {
    code: 1,
    err: /the certificate of .* is not the one/,
  })
})

t.test('a wrong token is refused', async (t) => {
  const path = join(server.dataDir, 'wrong.kubeconfig')
  const text = await readFile(server.pki.kubeconfigPath, 'utf8')
  await writeFile(path, text.replace(server.pki.adminToken, 'wrong'))
  t.match(await run(['hardware', 'list', '--kubeconfig', path]), { code: 1, err: 'error: Unauthorized\n' })
  await writeFile(path, 'kind: Config\n')
  t.match(await run(['hardware', 'list', '--kubeconfig', path]), { code: 1, err: /not a usable kubeconfig/ })
})

t.end()
