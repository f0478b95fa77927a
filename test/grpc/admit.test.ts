import t from 'tap'
import { admit } from '../../src/grpc/admit.ts'
import type { Admission } from '../../src/grpc/admit.ts'
import { machinesOf } from '../../src/model/machine.ts'
import type { Hardware } from '../../src/model/hardware.ts'

const hardware = (name: string, spec: Hardware['spec']) =>
  ({
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    metadata: { namespace: 'n', name },
    spec,
  }) as Hardware
const one = '52:54:00:00:00:01'
const other = '52:54:00:00:00:02'
const machines = [
  ...machinesOf(
    hardware('m1', {
      agentID: 'worker-1',
      interfaces: [
        { dhcp: { mac: one, ip: { address: '10.0.0.1' } } },
        { dhcp: { mac: '52:54:00:00:00:11' } },
      ],
    }),
  ),
  ...machinesOf(hardware('m2', { interfaces: [{ dhcp: { mac: other, ip: { address: '10.0.0.2' } } }] })),
]
const roster = {
  machineByIp: (ip: string) => machines.find((machine) => machine.ip === ip),
  machineByAgent: (id: string) =>
    machines.find(({ agentId, macs }) => agentId === id || macs.includes(id as never)),
}

t.test('whom a Tinkerbell agent is taken for', async (t) => {
  const cases: { name: string; how: Admission; id: string | undefined; from: string; want: object }[] = [
    {
      name: 'its id and its address',
      how: 'address',
      id: 'worker-1',
      from: '10.0.0.1',
      want: { machine: { name: 'm1' } },
    },
    {
      name: 'a MAC in place of its id',
      how: 'address',
      id: one,
      from: '10.0.0.1',
      want: { machine: { name: 'm1' } },
    },
    {
      name: 'another of its MACs',
      how: 'address',
      id: '52-54-00-00-00-11',
      from: '10.0.0.1',
      want: { machine: { name: 'm1' } },
    },
    {
      name: 'an address as Node tells it',
      how: 'address',
      id: one,
      from: '::ffff:10.0.0.1',
      want: { machine: { name: 'm1' } },
    },
    {
      name: 'no id, where calls have none',
      how: 'address',
      id: undefined,
      from: '10.0.0.2',
      want: { machine: { name: 'm2' } },
    },
    {
      name: 'another one’s id',
      how: 'address',
      id: other,
      from: '10.0.0.1',
      want: { why: 'address-mismatch', of: { name: 'm2' } },
    },
    {
      name: 'an address of nobody',
      how: 'address',
      id: one,
      from: '10.0.0.9',
      want: { why: 'address-mismatch', of: { name: 'm1' } },
    },
    {
      name: 'an id of nobody',
      how: 'address',
      id: 'x',
      from: '10.0.0.1',
      want: { why: 'agent-id-mismatch', of: { name: 'm1' } },
    },
    { name: 'no address at all', how: 'address', id: one, from: '', want: { why: 'address-mismatch' } },
    { name: 'its id alone', how: 'id', id: other, from: '10.0.0.9', want: { machine: { name: 'm2' } } },
    { name: 'an unknown id', how: 'id', id: 'x', from: '10.0.0.1', want: { why: 'agent-id-mismatch' } },
    {
      name: 'no id, where it is all there is',
      how: 'id',
      id: undefined,
      from: '10.0.0.1',
      want: { why: 'agent-id-mismatch' },
    },
    {
      name: 'anybody, when it is off',
      how: 'off',
      id: one,
      from: '10.0.0.1',
      want: { why: 'not-admitted', of: { name: 'm1' } },
    },
  ]
  for (const { name, how, id, from, want } of cases)
    t.test(name, async (t) => t.match(admit(how, roster as never, id, from), want))
})
