import t from 'tap'
import { patchWithStates, withStates } from '../../src/model/workflow-state.ts'

const action = (name: string, state: string) => ({ id: name, name, image: 'i', state })
const workflow = (prefix: string) => ({
  kind: 'Workflow',
  metadata: { name: 'w', annotations: { state: 'SUCCESS' } },
  spec: { hardwareMap: { state: 'SUCCESS' } },
  status: {
    state: `${prefix}RUNNING`,
    currentState: { state: `${prefix}RUNNING`, actionName: 'SUCCESS' },
    tasks: [
      { name: 'SUCCESS', actions: [action('a', `${prefix}SUCCESS`), action('b', `${prefix}RUNNING`)] },
      { name: 'next', actions: [action('c', `${prefix}PENDING`)] },
    ],
    conditions: [{ type: 'Succeeded', status: 'False', reason: 'TIMEOUT' }],
    templateRendering: 'successful',
  },
})

t.test('states, and nothing else, are spelled either way', async (t) => {
  const [plain, old] = [workflow(''), workflow('STATE_')]
  t.same(withStates(plain, 'STATE_SUCCESS'), old)
  t.same(withStates(old, 'SUCCESS'), plain)
  t.same(plain, workflow(''), 'the object itself is not changed')
})

t.test('what needs no change is the same object', async (t) => {
  for (const spelling of ['SUCCESS', 'STATE_SUCCESS'] as const) {
    const object = withStates(workflow(''), spelling)
    t.equal(withStates(object, spelling), object)
  }
})

for (const state of ['PREPARING', 'PENDING', 'RUNNING', 'POST', 'SUCCESS', 'FAILED', 'TIMEOUT'])
  t.test(`${state} has two spellings`, async (t) => {
    t.same(withStates({ status: { state } }, 'STATE_SUCCESS'), { status: { state: `STATE_${state}` } })
    t.same(withStates({ status: { state: `STATE_${state}` } }, 'SUCCESS'), { status: { state } })
  })

const others = [
  undefined,
  null,
  'SUCCESS',
  7,
  [],
  { status: null },
  { status: 'SUCCESS' },
  { status: { state: '' } },
  { status: { state: 'success' } },
  { status: { state: 'STATE_STATE_SUCCESS' } },
  { status: { state: ['SUCCESS'], tasks: 'SUCCESS', currentState: null } },
  { status: { tasks: [null, 'SUCCESS', { actions: null }, { actions: [null, 'SUCCESS', { state: 5 }] }] } },
  JSON.parse('{"__proto__":{"status":{"state":"SUCCESS"}}}'),
]
for (const value of others)
  t.test(`${JSON.stringify(value)} stays as it is`, async (t) =>
    t.equal(withStates(value, 'STATE_SUCCESS'), value),
  )

t.test('a JSON patch is spelled where its values are states or hold some', async (t) => {
  const op = (path: string, value: unknown, op = 'replace') => ({ op, path, value })
  const patch = [
    op('/status/state', 'SUCCESS', 'test'),
    op('/status/currentState/state', 'STATE_FAILED'),
    op('/status/tasks/0/actions/1/state', 'RUNNING'),
    op('/status/tasks/0/actions/-', action('d', 'PENDING'), 'add'),
    op('/status', { state: 'POST' }),
    op('', { status: { state: 'POST' } }),
    op('/metadata/annotations/state', 'SUCCESS'),
    op('/status/state/state', 'SUCCESS'),
    op('/status/constructor', 'SUCCESS'),
    { op: 'remove', path: '/status/state' },
    { op: 'move', from: '/status/state', path: '/status/currentState/state' },
    null,
    { path: 5, value: 'SUCCESS' },
  ]
  t.same(patchWithStates(patch, 'STATE_SUCCESS'), [
    op('/status/state', 'STATE_SUCCESS', 'test'),
    op('/status/currentState/state', 'STATE_FAILED'),
    op('/status/tasks/0/actions/1/state', 'STATE_RUNNING'),
    op('/status/tasks/0/actions/-', action('d', 'STATE_PENDING'), 'add'),
    op('/status', { state: 'STATE_POST' }),
    op('', { status: { state: 'STATE_POST' } }),
    ...patch.slice(6),
  ])
})

t.end()
