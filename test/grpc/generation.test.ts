import { fileURLToPath } from 'node:url'
import { loadSync } from '@grpc/proto-loader'
import type { MessageTypeDefinition } from '@grpc/proto-loader'
import t from 'tap'
import { generationOf } from '../../src/grpc/generation.ts'
import { readReport } from '../../src/grpc/tinkerbell-wire.ts'

const load = (file: string) =>
  loadSync(fileURLToPath(new URL(file, import.meta.url)), { keepCase: true, enums: String })
const writer = (file: string, name: string) => {
  const { serialize } = load(file)[name] as unknown as MessageTypeDefinition<object, object>
  return (message: object) => serialize(message)
}
const current = writer('tink-agent.proto', 'proto.ActionStatusRequest')
const legacy = writer('tink-worker.proto', 'proto.WorkflowActionStatus')
const zero = { seconds: -62135596800, nanos: 0 }

t.test('who wrote a report', async (t) => {
  const cases = [
    {
      name: 'tink-agent, as it begins',
      bytes: current({
        workflow_id: 'n/w',
        agent_id: 'a',
        task_id: 't',
        action_id: 'i',
        action_name: 'x',
        action_state: 'RUNNING',
        execution_start: zero,
        execution_stop: zero,
        message: { message: 'running action' },
      }),
      want: 'current',
    },
    { name: 'tink-agent, with a state alone', bytes: current({ action_state: 'FAILED' }), want: 'current' },
    {
      name: 'tink-agent, with a message alone',
      bytes: current({ message: { message: '' } }),
      want: 'current',
    },
    {
      name: 'tink-worker, as it begins',
      bytes: legacy({
        workflow_id: 'n/w',
        task_name: 't',
        action_name: 'x',
        action_status: 'STATE_RUNNING',
        message: 'Started execution',
        created_at: zero,
        worker_id: 'a',
      }),
      want: 'legacy',
    },
    {
      name: 'tink-worker, without a message',
      bytes: legacy({ action_status: 'STATE_FAILED' }),
      want: 'legacy',
    },
    { name: 'tink-worker, with seconds alone', bytes: legacy({ seconds: 7 }), want: 'legacy' },
    { name: 'nothing', bytes: Buffer.alloc(0), want: 'current' },
    {
      name: 'both',
      bytes: Buffer.concat([current({ action_id: 'i' }), legacy({ seconds: 7 })]),
      want: undefined,
    },
    { name: 'a text longer than the message', bytes: Buffer.from([0x0a, 0x05, 1]), want: undefined },
    { name: 'an endless number', bytes: Buffer.alloc(20, 0xff), want: undefined },
    { name: 'a group', bytes: Buffer.from([0x0b, 0x0c]), want: undefined },
    { name: 'field 0', bytes: Buffer.from([0x00, 0x00]), want: undefined },
    { name: 'fixed numbers that are too short', bytes: Buffer.from([0x79, 1, 2]), want: undefined },
  ]
  for (const { name, bytes, want } of cases) t.test(name, async (t) => t.equal(generationOf(bytes), want))
})

t.test('every cut and every changed byte of a report is read or refused, and nothing else', async (t) => {
  const bytes = current({ workflow_id: 'n/w', action_id: 'i', action_state: 'SUCCESS', execution_stop: zero })
  let refused = 0
  for (let length = 0; length < bytes.length; length++)
    for (let value = 0; value < 256; value += 5) {
      const copy = Buffer.from(bytes)
      copy[length] = value
      for (const one of [copy, copy.subarray(0, length)])
        try {
          t.match(readReport(one).generation, /current|legacy/)
        } catch {
          refused++
        }
    }
  t.ok(refused > 100)
})
