import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Ledger } from '../../src/agent/ledger.ts'
import type { Entry } from '../../src/agent/ledger.ts'

const entry = (actionId: string, more: Partial<Entry> = {}): Entry => ({
  workflowId: 'ns/w',
  taskId: 't',
  actionId,
  state: 'ACTION_STATE_SUCCESS',
  message: '',
  attempt: 1,
  starts: 1,
  acknowledged: false,
  ...more,
})

t.test('what was put is there for the next process', async (t) => {
  const file = join(t.testdir({}), 'actions.json')
  new Ledger(file).put(entry('a', { state: 'ACTION_STATE_RUNNING' }))
  new Ledger(file).put(entry('b'))
  const after = new Ledger(file)
  t.equal(after.get('a')?.state, 'ACTION_STATE_RUNNING')
  t.same(
    after.unacknowledged().map((known) => known.actionId),
    ['b'],
  )
})

t.test('a broken file counts as empty', async (t) => {
  const file = join(t.testdir({}), 'actions.json')
  writeFileSync(file, '[{"actionId":')
  t.equal(new Ledger(file).get('a'), undefined)
})

t.test('the oldest actions are forgotten beyond two hundred', async (t) => {
  const ledger = new Ledger(join(t.testdir({}), 'actions.json'))
  for (let count = 0; count < 205; count++) ledger.put(entry(`a${count}`))
  t.equal(ledger.get('a4'), undefined)
  t.ok(ledger.get('a5'))
})
