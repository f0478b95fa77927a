import t from 'tap'
import type { Workflow } from '../../src/model/workflow.ts'
import { actionOverheard } from '../../src/workflow/overheard.ts'

function workflow(uid: string, state: string, actions: string[], ironwake?: object): Workflow {
  const rows = actions.map((state, index) => ({ id: `${uid}-${index}`, name: `a${index}`, state }))
  const status = { state, ironwake, tasks: [{ id: 't', name: 't', actions: rows }] }
  return { kind: 'Workflow', metadata: { uid, name: uid, namespace: 'ns' }, status } as never
}
const byTinkerbell = { session: 's1', attempt: 1 }

const cases: { name: string; given: Workflow[]; want: object | undefined }[] = [
  { name: 'a machine without Workflow says nothing to any action', given: [], want: undefined },
  {
    name: 'the action that runs is the one',
    given: [workflow('u', 'RUNNING', ['SUCCESS', 'RUNNING', 'PENDING'], byTinkerbell)],
    want: { uid: 'u', actionId: 'u-1' },
  },
  {
    name: 'between two actions there is none',
    given: [workflow('u', 'RUNNING', ['SUCCESS', 'PENDING'], byTinkerbell)],
    want: undefined,
  },
  {
    name: 'an agent that sends its output itself is not overheard',
    given: [workflow('u', 'RUNNING', ['RUNNING'], { bootId: 'b', attempt: 1 })],
    want: undefined,
  },
  {
    name: 'a Workflow that waits behind another is passed over',
    given: [workflow('u', 'PENDING', ['PENDING']), workflow('v', 'RUNNING', ['RUNNING'], byTinkerbell)],
    want: { uid: 'v', actionId: 'v-0' },
  },
]
for (const { name, given, want } of cases) t.test(name, async (t) => t.same(actionOverheard(given), want))
