import t from 'tap'
import { isLive } from '../../src/model/workflow.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import type { StateSpelling } from '../../src/model/workflow-state.ts'
import { createWorkflow, runner, setStatus, start, until } from '../cli/run.ts'
import { base, mergePatch, ns1, startServer, watching } from './server.ts'
import type { TestServer } from './server.ts'

type Body = Record<string, any>

const jsonPatch = { 'content-type': 'application/json-patch+json' }
const applyPatch = { 'content-type': 'application/apply-patch+yaml' }
const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' }
const partial = { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' }
const actions = [
  { name: 'stream image', state: 'SUCCESS' },
  { name: 'reboot', state: 'RUNNING' },
]

const spellings: { setting: StateSpelling | undefined; prefix: string }[] = [
  { setting: undefined, prefix: '' },
  { setting: 'SUCCESS', prefix: '' },
  { setting: 'STATE_SUCCESS', prefix: 'STATE_' },
]
for (const { setting, prefix } of spellings)
  t.test(`a server that says ${prefix}SUCCESS (${setting ?? 'default'})`, async (t) => {
    const server: TestServer = await startServer(setting ? { workflowStates: setting } : {})
    t.teardown(() => server.close())
    const call = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
      const { status, json } = await server.client.request(method, path, body, headers)
      return { status, body: json as Body }
    }
    const stored = async (name: string) =>
      (await server.db.store.get({ kind: 'Workflow', namespace: 'ns1', name })) as Workflow
    const path = (name: string) => `${ns1}/workflows/${name}`

    await t.test('reads', async (t) => {
      await createWorkflow(server, 'w1')
      const seen = watching(server.client, `${base}/workflows?watch=true`)
      await seen.until(1)
      await setStatus(server, 'w1', 'RUNNING', actions)
      const status = {
        state: `${prefix}RUNNING`,
        tasks: [{ actions: [{ state: `${prefix}SUCCESS` }, { state: `${prefix}RUNNING` }] }],
      }
      t.match((await call('GET', path('w1'))).body, { kind: 'Workflow', status })
      t.match((await call('GET', `${path('w1')}/status`)).body, { status })
      t.match((await call('GET', `${ns1}/workflows`)).body, { items: [{ status }] })
      t.match((await call('GET', `${base}/workflows?limit=1`)).body, { items: [{ status }] })
      t.match((await seen.until(2))[1], { type: 'MODIFIED', object: { status } })
      seen.stop()
      const { columnDefinitions, rows } = (await call('GET', `${ns1}/workflows`, undefined, table)).body
      const column = columnDefinitions.findIndex(({ name }: Body) => name === 'State')
      t.equal(rows[0].cells[column], `${prefix}RUNNING`)
      t.notOk((await call('GET', path('w1'), undefined, partial)).body['status'])
      t.match(await stored('w1'), { status: { state: 'RUNNING' } })
    })

    await t.test('writes of a status, in either spelling', async (t) => {
      for (const state of ['SUCCESS', 'STATE_SUCCESS']) {
        const writes: [string, unknown, Record<string, string>][] = [
          ['PATCH', { status: { state } }, mergePatch],
          ['PATCH', [{ op: 'add', path: '/status', value: { state } }], jsonPatch],
          [
            'PATCH',
            [
              { op: 'test', path: '/status/state', value: `${prefix}RUNNING` },
              { op: 'replace', path: '/status/state', value: state },
              { op: 'test', path: '/status/state', value: `${prefix}SUCCESS` },
            ],
            jsonPatch,
          ],
          [
            'PATCH',
            { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'Workflow', status: { state } },
            applyPatch,
          ],
        ]
        for (const [at, [method, body, headers]] of writes.entries()) {
          const name = `w-${state.toLowerCase().replace('_', '')}-${at}`
          await createWorkflow(server, name)
          await setStatus(server, name, 'RUNNING', actions)
          const query = headers === applyPatch ? '?fieldManager=me&force=true' : '?fieldManager=me'
          const tried = await call(method, `${path(name)}/status${query}&dryRun=All`, body, headers)
          t.match(tried, { status: 200, body: { status: { state: `${prefix}SUCCESS` } } })
          t.equal((await stored(name)).status?.state, 'RUNNING')
          const answer = await call(method, `${path(name)}/status${query}`, body, headers)
          t.match(answer, { status: 200, body: { status: { state: `${prefix}SUCCESS` } } }, name)
          const after = await stored(name)
          t.equal(after.status?.state, 'SUCCESS')
          t.notOk(isLive(after), 'and the end it is')
        }
      }
    })

    await t.test('an object that is read and put back is the same object', async (t) => {
      await createWorkflow(server, 'same')
      await setStatus(server, 'same', 'TIMEOUT', actions)
      const { body } = await call('GET', path('same'))
      const other = { ...body, status: { ...body['status'], state: 'STATE_TIMEOUT' } }
      for (const status of ['/status', ''])
        for (const again of [body, other]) {
          const put = await call('PUT', path('same') + status, again)
          t.match(put, { status: 200, body: { status: { state: `${prefix}TIMEOUT` } } })
          t.equal(put.body['metadata'].resourceVersion, body['metadata'].resourceVersion)
        }
      t.match(await stored('same'), { status: { state: 'TIMEOUT' } })
    })

    await t.test('a test of another state fails, and a deletion shows the last one', async (t) => {
      const failing = [{ op: 'test', path: '/status/state', value: 'FAILED' }]
      t.equal((await call('PATCH', `${path('same')}/status`, failing, jsonPatch)).status, 422)
      await call('PATCH', path('same'), { metadata: { finalizers: ['x/y'] } }, mergePatch)
      t.match((await call('DELETE', path('same'))).body, {
        metadata: { deletionTimestamp: String },
        status: { state: `${prefix}TIMEOUT` },
      })
      const seen = watching(server.client, `${ns1}/workflows?watch=true&fieldSelector=metadata.name%3Dsame`)
      await seen.until(1)
      await call('PATCH', path('same'), { metadata: { finalizers: null } }, mergePatch)
      t.match((await seen.until(2))[1], {
        type: 'DELETED',
        object: { status: { state: `${prefix}TIMEOUT` } },
      })
      seen.stop()
    })

    await t.test('the command line understands it', async (t) => {
      const run = runner(() => server)
      await createWorkflow(server, 'cli')
      await setStatus(server, 'cli', 'RUNNING', actions)
      t.match((await run(['workflow', 'list'])).out, /ns1 +cli +RUNNING +t +m1 +- +1\/2\n/)
      t.match(
        (await run(['workflow', 'show', 'ns1/cli'])).out,
        /State: +RUNNING\n.*\n.*stream image +SUCCESS/s,
      )
      t.match((await run(['get', 'wf', 'cli', '-n', 'ns1'])).out, new RegExp(` ${prefix}RUNNING `))
      const one = start(['workflow', 'watch', 'ns1/cli'], server.pki.kubeconfigPath)
      await until('the first line', () => one.out.includes('[2/2] reboot: RUNNING'))
      await setStatus(
        server,
        'cli',
        'SUCCESS',
        actions.map((action) => ({ ...action, state: 'SUCCESS' })),
      )
      const { code, out } = await one.ended
      t.equal(code, 0)
      t.match(out, /workflow ns1\/cli: SUCCESS\n$/)
      t.match(await run(['workflow', 'watch', 'ns1/cli']), { code: 0, out: /SUCCESS\n$/ })
      await setStatus(server, 'cli', 'FAILED', actions)
      t.match(await run(['workflow', 'watch', 'ns1/cli']), { code: 1, err: /ended with FAILED/ })
      t.match(await run(['workflow', 'logs', 'ns1/cli']), { code: 1, err: /404|not.*found|could not find/i })
    })
  })

t.end()
