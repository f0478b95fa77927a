import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startServer } from '../kube/server.ts'
import type { TestServer } from '../kube/server.ts'
import { runner } from './run.ts'

let server: TestServer
let folder: string
const run = runner(() => server)
const file = (name: string) => join(folder, name)
const apiVersion = 'tinkerbell.org/v1alpha1'
const told = {
  cpu: { totalCores: 8 },
  networkInterfaces: [{ mac: '52:54:00:00:00:01' }],
  product: { vendor: 'Dell Inc.', name: 'PowerEdge R640' },
}
const hardwareOf = (name: string, annotations?: Record<string, string>) => ({
  apiVersion,
  kind: 'Hardware',
  metadata: { name, namespace: 'ns1', ...(annotations && { annotations }) },
  spec: {
    interfaces: [{ dhcp: { mac: '52:54:00:00:00:01' } }],
    auto: { enrollmentEnabled: name === 'told' },
  },
})
const ruleSetOf = (name: string, ...rules: object[]) => ({
  apiVersion,
  kind: 'WorkflowRuleSet',
  metadata: { name, namespace: 'ns1' },
  spec: { rules: rules.map((rule) => JSON.stringify(rule)), workflow: { template: { ref: 'x' } } },
})
const dell = { product: { vendor: ['Dell Inc.'] } }
const large = { cpu: { totalCores: [{ numeric: ['>=', 8] }] } }

t.test('ironwake ruleset test', async (t) => {
  server = await startServer()
  folder = await mkdtemp(join(tmpdir(), 'ironwake-ruleset-'))
  const annotation = { 'tinkerbell.org/agent-attributes': JSON.stringify(told) }
  for (const hardware of [
    hardwareOf('told', annotation),
    hardwareOf('silent'),
    hardwareOf('entered', annotation),
  ])
    await server.client.create(hardware)
  for (const ruleSet of [
    ruleSetOf('dell', dell),
    ruleSetOf('large', dell, large),
    ruleSetOf('hpe', { product: { vendor: ['HPE'] } }),
  ])
    await server.client.create(ruleSet)
  await writeFile(
    file('rules.yaml'),
    JSON.stringify(ruleSetOf('mine', { product: { name: [{ prefix: 'ProLiant' }] } }, dell)),
  )
  await writeFile(
    file('none.yaml'),
    JSON.stringify(ruleSetOf('none', { bios: { vendor: [{ exists: true }] } })),
  )
  await writeFile(file('bad.yaml'), JSON.stringify(ruleSetOf('bad', { cpu: { totalCores: 8 } })))
  await writeFile(file('told.json'), JSON.stringify(told))
  t.teardown(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })

  await t.test('the rule sets of the server, for a machine of it', async (t) => {
    const { code, out } = await run(['ruleset', 'test', '--hardware', 'ns1/told'])
    t.equal(code, 0)
    t.equal(
      out,
      `RULE SET   RULES  RESULT
ns1/large  2/2    chosen
ns1/dell   1/1    matches, another has more or is older
ns1/hpe    0/1    no
ns1/hpe rules[0]: product.vendor: found "Dell Inc.", expected "HPE"
`,
    )
  })

  await t.test('rule sets of a file, as data', async (t) => {
    const args = ['ruleset', 'test', '-f', file('rules.yaml'), '--hardware', 'ns1/told', '-o']
    const json = await run([...args, 'json'])
    t.equal(json.code, 0)
    t.match(JSON.parse(json.out), {
      chosen: 'ns1/mine',
      ruleSets: [
        {
          namespace: 'ns1',
          name: 'mine',
          matched: 1,
          of: 2,
          faults: [],
          rules: [
            { matches: false, why: [/product\.name: found "PowerEdge R640"/] },
            { matches: true, why: [] },
          ],
        },
      ],
    })
    t.match((await run([...args, 'yaml'])).out, /^chosen: ns1\/mine\nruleSets:\n {2}- namespace: ns1\n/)
  })

  await t.test('what is known of a machine may come from a file', async (t) => {
    const none = { env: { KUBECONFIG: '/nowhere' } }
    const found = await run(
      ['wrs', 'test', '-f', file('rules.yaml'), '--attributes', file('told.json')],
      none,
    )
    t.match(found, { code: 0, out: /ns1\/mine +1\/2 +chosen/ })
  })

  await t.test('a machine that is not enrolled by itself', async (t) => {
    const found = await run(['ruleset', 'test', '-f', file('rules.yaml'), '--hardware', 'ns1/entered'])
    t.match(
      found.out,
      /The machine is not enrolled by itself: spec\.auto\.enrollmentEnabled of its Hardware is not true\.\n$/,
    )
  })

  await t.test('what does not work is said, and how it fails', async (t) => {
    const cases: [args: string[], code: number, err: RegExp][] = [
      [['-f', file('none.yaml'), '--hardware', 'ns1/told'], 1, /no WorkflowRuleSet matches/],
      [['-f', file('bad.yaml'), '--hardware', 'ns1/told'], 1, /no WorkflowRuleSet matches/],
      [
        ['--hardware', 'ns1/silent'],
        1,
        /Hardware ns1\/silent has no annotation tinkerbell.org\/agent-attributes/,
      ],
      [['--hardware', 'ns1/nobody'], 1, /not found/],
      [['-f', file('told.json'), '--hardware', 'ns1/told'], 1, /./],
      [['-f', file('rules.yaml')], 2, /name a machine with --hardware/],
      [
        ['-f', file('rules.yaml'), '--hardware', 'ns1/told', '--attributes', file('told.json')],
        2,
        /name a machine/,
      ],
      [['-f', file('rules.yaml'), '--attributes', file('nothing.yaml')], 1, /nothing\.yaml/],
    ]
    for (const [args, code, err] of cases)
      t.match(await run(['ruleset', 'test', ...args]), { code, err }, String(err))
    const bad = await run(['ruleset', 'test', '-f', file('bad.yaml'), '--hardware', 'ns1/told'])
    t.match(bad.out, /ns1\/bad rules\[0\] cpu\.totalCores: 8 is not in a list: expected \[8\]/)
  })

  await t.test('help has examples', async (t) => {
    t.match(
      (await run(['ruleset', 'test', '--help'])).out,
      /\$ ironwake ruleset test -f ruleset\.yaml --hardware machine-1\n/,
    )
  })
})
