import t from 'tap'
import { parseRule } from '../../src/discovery/rule.ts'
import { base, mergePatch, startServer } from './server.ts'

const path = `${base}/namespaces/ns1/workflowrulesets`
const objectOf = (name: string, ...rules: string[]) => ({
  apiVersion: 'tinkerbell.org/v1alpha1',
  kind: 'WorkflowRuleSet',
  metadata: { name, namespace: 'ns1' },
  spec: { rules, workflow: { disabled: true } },
})
const good = '{"cpu":{"totalCores":[8]}}'

t.test('a rule set with a bad rule is refused with the place in it', async (t) => {
  const ruleFaults = (rule: string) => {
    const read = parseRule(rule)
    return 'faults' in read ? read.faults : []
  }
  const server = await startServer({ admission: { ruleFaults } })
  t.teardown(() => server.close())
  const { client } = server
  const bad = '{"cpu":{"totalCores":8},"bios":{"vendor":[{"regexp":"("}]}}'
  const refused = await client.request('POST', path, objectOf('a', good, bad, '{'))
  t.equal(refused.status, 422)
  t.match(refused.json, {
    reason: 'Invalid',
    details: {
      causes: [
        { field: 'spec.rules[1]', message: /cpu\.totalCores: 8 is not in a list: expected \[8\]$/ },
        { field: 'spec.rules[1]', message: /bios\.vendor\[0\]: .*at character 1: "\(" without "\)"$/ },
        { field: 'spec.rules[2]', message: /not JSON/ },
      ],
    },
  })
  t.equal((await client.request('POST', path, objectOf('a', good))).status, 201)
  const patch = { spec: { rules: ['[]'] } }
  t.equal((await client.request('PATCH', `${path}/a`, patch, mergePatch)).status, 422)
  const label = { metadata: { labels: { a: 'b' } } }
  t.equal((await client.request('PATCH', `${path}/a`, label, mergePatch)).status, 200)
  const status = await client.request('PATCH', `${path}/a/status`, { status: {} }, mergePatch)
  t.equal(status.status, 200)
})
