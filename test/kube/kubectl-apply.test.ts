import { chmod, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { kubectlEnds, kubectlOf, noKubectl, usualKubectl } from './kubectl.ts'
import type { Kubectl } from './kubectl.ts'
import { hardware, startServer } from './server.ts'
import type { TestServer } from './server.ts'

/** The oldest, the newest and the usual one, each once. */
const installed = [...kubectlEnds(), usualKubectl() ?? []].flat()
const programs = [...new Map(installed.map((program) => [program.path, program])).values()]

t.test('kubectl', { skip: programs.length > 0 ? false : noKubectl }, async (t) => {
  for (const program of programs)
    await t.test(`${basename(program.path)} (1.${program.minor}) applies, compares and edits`, async (t) => {
      const server = await startServer()
      t.after(() => server.close())
      await scenario(t, server, kubectlOf(program, server))
    })
})

async function scenario(t: Test, server: TestServer, run: Kubectl): Promise<void> {
  const file = join(server.dataDir, 'm1.yaml')
  const m1 = hardware('m1', { type: 'cp' })
  const write = (userData: string, more: object = {}) =>
    writeFile(file, stringify({ ...m1, spec: { ...m1.spec, userData, ...more } }))
  const stored = async () => (await server.client.get('Hardware', 'ns1', 'm1')) as any
  const managers = async () =>
    ((await stored()).metadata.managedFields as any[]).map(
      ({ manager, operation }) => `${manager} ${operation}`,
    )

  await write('one')
  t.match(await run(['apply', '--server-side', '-f', file]), {
    code: 0,
    out: 'hardware.tinkerbell.org/m1 serverside-applied\n',
  })
  t.same(await managers(), ['kubectl Apply'])
  const version = (await stored()).metadata.resourceVersion
  t.match(await run(['apply', '--server-side', '-f', file]), { code: 0 })
  t.equal((await stored()).metadata.resourceVersion, version, 'applying the same again changes nothing')

  await write('two', { vendorData: 'v' })
  t.match(await run(['diff', '--server-side', '-f', file]), { code: 1, out: /\+ +vendorData: v/ })
  t.match(await run(['apply', '--server-side', '-f', file]), { code: 0 })
  t.match(await stored(), { spec: { userData: 'two', vendorData: 'v' } })
  await write('two')
  t.match(await run(['apply', '--server-side', '-f', file]), { code: 0 })
  t.notOk((await stored()).spec.vendorData, 'what is no longer applied is gone')

  const other = ['patch', 'hw', 'm1', '-n', 'ns1', '--type=json', '-p']
  const userData = JSON.stringify([{ op: 'replace', path: '/spec/userData', value: 'theirs' }])
  t.match(await run([...other, userData, '--field-manager=other']), { code: 0, err: '' })
  const conflict = await run(['apply', '--server-side', '-f', file])
  t.match(conflict, { code: 1, err: /conflict with "other"[^]*\.spec\.userData/ })
  t.match(await run(['apply', '--server-side', '--force-conflicts', '-f', file]), { code: 0 })
  t.equal((await stored()).spec.userData, 'two')

  const editor = join(server.dataDir, 'editor.sh')
  await writeFile(editor, '#!/bin/sh\nsed -i "s/userData: two/userData: edited/" "$1"\n')
  await chmod(editor, 0o755)
  const edited = await run(['edit', 'hw', 'm1', '-n', 'ns1'], {
    env: { EDITOR: editor, KUBE_EDITOR: editor },
  })
  t.match(edited, { code: 0, out: /m1 edited/ })
  t.equal((await stored()).spec.userData, 'edited')

  t.match(await run(['delete', '-f', file]), { code: 0 })
  t.match(await run(['apply', '-f', file]), { code: 0, out: 'hardware.tinkerbell.org/m1 created\n' })
  await write('three')
  t.match(await run(['diff', '-f', file]), { code: 1, out: /\+ +userData: three/ })
  t.match(await run(['apply', '-f', file]), { code: 0, out: 'hardware.tinkerbell.org/m1 configured\n' })
  await write('four')
  const taken = await run(['apply', '--server-side', '-f', file])
  t.match(taken, { code: 0 }, 'what kubectl applied in the old way is its own')
  t.equal((await stored()).spec.userData, 'four')
  t.notOk(
    (await managers()).includes('kubectl-client-side-apply Update'),
    'the old way owns nothing any more',
  )

  const wrong = { ...m1, spec: { ...m1.spec, colour: 'red' } }
  const strict = await run(['apply', '--server-side', '-f', '-'], { input: stringify(wrong) })
  t.match(strict, { code: 1, err: /unknown field "spec\.colour"/ })
  const loose = await run(['apply', '--validate=warn', '-f', '-'], { input: stringify(wrong) })
  t.match(loose, { code: 0, err: /unknown field "spec\.colour"/ })

  const secret = stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's', namespace: 'ns1' },
    stringData: { a: 'b' },
  })
  t.match(await run(['apply', '-f', '-'], { input: secret }), { code: 0, out: 'secret/s created\n' })
  t.match(await run(['apply', '-f', '-'], { input: secret }), { code: 0 })
  t.match(await run(['get', 'ns', 'ns1']), { code: 0, out: /ns1 +Active/ })
  t.match(await run(['create', 'ns', 'made']), { code: 0 })
  const events = await run(['get', 'events', '-n', 'ns1', '--field-selector', 'involvedObject.kind=Hardware'])
  t.match(events, { code: 0 })
  t.match(await run(['delete', 'secrets', '--all', '-n', 'ns1']), { code: 0, out: /"s" deleted/ })
}
