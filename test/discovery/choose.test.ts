import t from 'tap'
import { choose, readRuleSet } from '../../src/discovery/choose.ts'
import { discoveredHardware, macsOf } from '../../src/discovery/hardware.ts'
import { isPlainId, machineMac, nameFor } from '../../src/discovery/names.ts'
import type { WorkflowRuleSet } from '../../src/model/workflow-rule-set.ts'

const ruleSet = (name: string, rules: string[] | undefined, createdAt = '2026-01-02T00:00:00Z') =>
  ({
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'WorkflowRuleSet',
    metadata: { namespace: 'ns', name, creationTimestamp: createdAt },
    spec: rules && { rules },
  }) as WorkflowRuleSet
const [yes, also, no] = [
  '{"cpu":{"totalCores":[8]}}',
  '{"bios":{"vendor":["x"]}}',
  '{"cpu":{"totalCores":[9]}}',
]
const machine = { cpu: { totalCores: 8 }, bios: { vendor: 'x' } }

const cases: { name: string; sets: WorkflowRuleSet[]; want: string | undefined }[] = [
  { name: 'no rule sets', sets: [], want: undefined },
  { name: 'one that does not match', sets: [ruleSet('a', [no])], want: undefined },
  { name: 'one without rules', sets: [ruleSet('a', undefined), ruleSet('b', [])], want: undefined },
  { name: 'any rule is enough', sets: [ruleSet('a', [no, yes])], want: 'a' },
  { name: 'most matching rules', sets: [ruleSet('a', [yes]), ruleSet('b', [yes, also, no])], want: 'b' },
  { name: 'not most rules', sets: [ruleSet('a', [yes, no, no, no]), ruleSet('b', [yes, also])], want: 'b' },
  {
    name: 'the oldest of equal ones',
    sets: [ruleSet('a', [yes]), ruleSet('b', [yes], '2026-01-01T00:00:00Z')],
    want: 'b',
  },
  {
    name: 'the first by name of equally old ones',
    sets: [ruleSet('b', [yes]), ruleSet('a', [also])],
    want: 'a',
  },
  {
    name: 'a broken one counts for nothing',
    sets: [ruleSet('a', [yes, also, '{']), ruleSet('b', [yes])],
    want: 'b',
  },
]

for (const { name, sets, want } of cases)
  t.test(name, async (t) => {
    const { chosen, standings } = choose(sets.map(readRuleSet), machine)
    t.equal(chosen?.metadata.name, want)
    t.equal(standings.length, sets.length)
    t.equal(choose(sets.map(readRuleSet), undefined).chosen, undefined, 'nothing is known of the machine')
  })

t.test('names are what Kubernetes takes', async (t) => {
  t.equal(nameFor('discovery-', '52:54:00:AA:00:01'), 'discovery-52-54-00-aa-00-01')
  t.equal(nameFor('enrollment-', 'Rack_1..Node--7'), 'enrollment-rack-1-node-7')
  t.equal(nameFor('discovery-', `${'x'.repeat(52)}:y`), `discovery-${'x'.repeat(52)}`, 'no minus at the end')
  t.equal(nameFor('discovery-', 'ä:ö'), 'discovery')
})

t.test('ids and MACs that may come in', async (t) => {
  for (const id of ['a', '52:54:00:00:00:01', 'rack-1_node.7', 'x'.repeat(63)]) t.ok(isPlainId(id), id)
  for (const id of ['', '-a', 'a b', 'a\n', 'ä', '{{.x}}', 'a/b', 'x'.repeat(64)]) t.notOk(isPlainId(id), id)
  t.equal(machineMac('52-54-00-AA-00-01'), '52:54:00:aa:00:01')
  for (const text of [undefined, '', '00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', 'x'])
    t.equal(machineMac(text), undefined, String(text))
})

t.test('what is taken over of a machine', async (t) => {
  const found = {
    agentId: 'rack-1',
    namespace: 'ns',
    enrollmentEnabled: false,
    attributes: {
      blockDevices: [
        { name: 'sda', size: '1TB' },
        { name: 'nvme0n1', size: '' },
        { name: 'x}}\n', size: '1TB' },
        { name: '../etc', size: '1TB' },
        { size: '1TB' },
      ],
      networkInterfaces: [{ mac: 'x' }, { mac: '52:54:00:00:00:02' }, { mac: '52-54-00-00-00-02' }, {}],
    },
  }
  t.same(macsOf(found), ['52:54:00:00:00:02'])
  const { spec, metadata } = discoveredHardware(found)
  t.same(spec, {
    agentID: 'rack-1',
    auto: { enrollmentEnabled: false },
    disks: [{ device: '/dev/sda' }],
    interfaces: [{ dhcp: { mac: '52:54:00:00:00:02' } }],
  })
  t.same(Object.keys(metadata.annotations ?? {}), ['tinkerbell.org/agent-attributes'])
})
