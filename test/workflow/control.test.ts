import t from 'tap'
import type { Test } from 'tap'
import type { Workflow } from '../../src/model/workflow.ts'
import { againOf, nameAgain, originOf, workflowAgain } from '../../src/model/workflow-again.ts'
import { retryDelayMs } from '../../src/workflow/again.ts'
import { carriedPlan } from '../../src/workflow/carried.ts'
import { parseDuration } from '../../src/workflow/duration.ts'
import { milestonesOf } from '../../src/workflow/milestones.ts'
import { refusalOf } from '../../src/workflow/on-control.ts'
import { turnOf } from '../../src/workflow/queue.ts'
import type {
  ActionNotes,
  ControlVerb,
  Outcome,
  ReportedState,
  RunEvent,
  RunStatus,
} from '../../src/workflow/run.ts'
import { step, wantsAgent } from '../../src/workflow/step.ts'
import { graceMs, nextTick, runningDeadline } from '../../src/workflow/timing.ts'
import { action, mac, otherMac, pending, reboot, t0, task } from './runs.ts'

const none = { toggleAllowNetboot: false }
const toggled = { toggleAllowNetboot: true }
const at = (seconds: number) => t0 + seconds * 1000
const ready = (seconds: number, bootId = 'boot-1', agentId = mac): RunEvent => ({
  type: 'agent-ready',
  agentId,
  bootId,
  at: at(seconds),
})
const called = (session: string, seconds: number): RunEvent => ({
  type: 'agent-ready',
  agentId: mac,
  bootId: '',
  session,
  at: at(seconds),
})
const report = (actionId: string, state: ReportedState, seconds: number, extra: object = {}): RunEvent => ({
  type: 'reported',
  agentId: mac,
  actionId,
  attempt: 0,
  state,
  message: '',
  at: at(seconds),
  ...extra,
})
const tick = (seconds: number): RunEvent => ({ type: 'tick', at: at(seconds) })
const lost = (seconds: number): RunEvent => ({
  type: 'agent-lost',
  agentId: mac,
  since: at(seconds - 30),
  at: at(seconds),
})
const want = (verb: ControlVerb, seconds: number, reason = 'wrong disk'): RunEvent => ({
  type: verb,
  by: 'ann',
  reason,
  at: at(seconds),
})

function after(status: RunStatus, events: RunEvent[], options = none): Outcome {
  let outcome: Outcome = { status, commands: [] }
  for (const event of events) outcome = step(outcome.status, event, options)
  return outcome
}

const two = (extra: Partial<RunStatus> = {}) =>
  pending([task('t1', mac, [action('a'), action('b')])], { globalTimeout: 600, ...extra })
const tried = (notes: ActionNotes) => two({ ironwake: { actions: { a: notes } } })
const states = (status: RunStatus) =>
  (status.tasks ?? []).flatMap((one) => one.actions.map(({ state }) => state))

type Case = {
  name: string
  from: RunStatus
  events: RunEvent[]
  want: object
  states: string[]
  commands?: object[]
  options?: typeof none
}

function check(cases: readonly Case[]) {
  return async (t: Test) => {
    for (const { name, from, events, want, states: wanted, commands, options } of cases)
      t.test(name, async (t) => {
        const outcome = after(from, events, options)
        t.match(outcome.status, want)
        t.same(states(outcome.status), wanted)
        if (commands) t.match(outcome.commands, commands)
      })
  }
}

t.test(
  'cancel',
  check([
    {
      name: 'what runs is stopped, and the run has failed by whom and why',
      from: two(),
      events: [ready(0), report('a', 'SUCCESS', 1), want('cancel', 5)],
      want: {
        state: 'FAILED',
        tasks: [{ actions: [{}, { message: 'cancelled by ann: wrong disk', executionDuration: '4s' }] }],
        conditions: [
          {
            type: 'Succeeded',
            status: 'False',
            reason: 'Cancelled',
            message: 'action "do b" of task "task t1": cancelled by ann: wrong disk',
          },
        ],
      },
      states: ['SUCCESS', 'FAILED'],
      commands: [{ type: 'cancel-action', agentId: mac, actionId: 'b' }],
    },
    {
      name: 'before its turn nothing has run',
      from: two(),
      events: [want('cancel', 5, '')],
      want: { state: 'FAILED', conditions: [{ message: /: cancelled by ann$/ }] },
      states: ['PENDING', 'PENDING'],
      commands: [],
    },
    {
      name: 'netboot is switched off afterwards',
      from: two({ state: 'PREPARING' }),
      events: [want('cancel', 5)],
      options: toggled,
      want: { state: 'POST', currentState: { state: 'FAILED' } },
      states: ['PENDING', 'PENDING'],
      commands: [{ type: 'allow-netboot', allowed: false }],
    },
    {
      name: 'netboot that was asked for before does not bring it back',
      from: two({ state: 'PREPARING' }),
      events: [want('cancel', 5), { type: 'netboot-set', allowed: true, at: at(6) }],
      options: toggled,
      want: { state: 'POST' },
      states: ['PENDING', 'PENDING'],
    },
    {
      name: 'one that was never planned has failed at once',
      from: {},
      events: [want('cancel', 5)],
      options: toggled,
      want: { state: 'FAILED', conditions: [{ reason: 'Cancelled' }] },
      states: [],
      commands: [],
    },
    {
      name: 'while paused too',
      from: two(),
      events: [ready(0), want('pause', 5), want('cancel', 6)],
      want: { state: 'FAILED', conditions: [{ type: 'Paused', status: 'False', reason: 'Ended' }, {}] },
      states: ['FAILED', 'PENDING'],
    },
    {
      name: 'what the agent says later changes nothing',
      from: two(),
      events: [
        ready(0),
        want('cancel', 5),
        report('a', 'SUCCESS', 6),
        report('b', 'RUNNING', 7, { session: 's' }),
      ],
      want: { state: 'FAILED' },
      states: ['FAILED', 'PENDING'],
      commands: [],
    },
  ]),
)

t.test('cancelling twice changes nothing', async (t) => {
  const once = after(two(), [ready(0), want('cancel', 5)]).status
  t.equal(step(once, want('cancel', 6), none).status, once)
})

t.test(
  'pause and resume',
  check([
    {
      name: 'the agent is told to pause what runs',
      from: two(),
      events: [ready(0), want('pause', 5)],
      want: {
        state: 'RUNNING',
        conditions: [
          {
            type: 'Paused',
            status: 'True',
            reason: 'Requested',
            message: 'paused by ann: wrong disk',
            time: '2026-05-01T10:00:05.000Z',
          },
        ],
      },
      states: ['RUNNING', 'PENDING'],
      commands: [{ type: 'pause-action', agentId: mac, actionId: 'a' }],
    },
    {
      name: 'what ends meanwhile has ended, and nothing follows',
      from: two(),
      events: [ready(0), want('pause', 5), report('a', 'SUCCESS', 6), ready(7), called('s', 8)],
      want: { state: 'RUNNING', agentID: mac },
      states: ['SUCCESS', 'PENDING'],
      commands: [],
    },
    {
      name: 'the next action starts once it is resumed',
      from: two(),
      events: [ready(0), want('pause', 5), report('a', 'SUCCESS', 6), want('resume', 60), ready(61)],
      want: { conditions: [{ type: 'Paused', status: 'False', reason: 'Resumed' }] },
      states: ['SUCCESS', 'RUNNING'],
      commands: [{ type: 'run-action' }],
    },
    {
      name: 'an agent that comes back meanwhile is told again',
      from: two(),
      events: [ready(0), want('pause', 5), ready(6)],
      want: { state: 'RUNNING' },
      states: ['RUNNING', 'PENDING'],
      commands: [{ type: 'pause-action', actionId: 'a' }],
    },
    {
      name: 'a machine that restarts meanwhile waits',
      from: two(),
      events: [ready(0), want('pause', 5), ready(6, 'boot-2')],
      want: { ironwake: { bootId: 'boot-1', attempt: 1 } },
      states: ['RUNNING', 'PENDING'],
      commands: [],
    },
    {
      name: 'and is found to have restarted when it is resumed',
      from: two(),
      events: [ready(0), want('pause', 5), ready(6, 'boot-2'), want('resume', 60), ready(60, 'boot-2')],
      want: { ironwake: { bootId: 'boot-2', attempt: 2 } },
      states: ['RUNNING', 'PENDING'],
      commands: [{ type: 'run-action' }],
    },
    {
      name: 'a reboot that was under way has succeeded when the machine is back',
      from: pending([task('t1', mac, [reboot('a'), action('b')])]),
      events: [ready(0), want('pause', 5), ready(90, 'boot-2')],
      want: { state: 'RUNNING' },
      states: ['SUCCESS', 'PENDING'],
      commands: [],
    },
    {
      name: 'nothing starts before it is resumed',
      from: two(),
      events: [want('pause', 5), ready(6)],
      want: { state: 'PENDING' },
      states: ['PENDING', 'PENDING'],
      commands: [],
    },
    {
      name: 'no deadline counts',
      from: two(),
      events: [ready(0), want('pause', 5), tick(100_000)],
      want: { state: 'RUNNING' },
      states: ['RUNNING', 'PENDING'],
    },
    {
      name: 'afterwards all deadlines are later',
      from: two(),
      events: [ready(0), want('pause', 50), want('resume', 1050), tick(1060 + 4)],
      want: { globalExecutionStop: '2026-05-01T10:26:40.000Z', ironwake: { pausedMs: 1_000_000 } },
      states: ['RUNNING', 'PENDING'],
    },
    {
      name: 'and hold',
      from: two(),
      events: [ready(0), want('pause', 50), want('resume', 1050), tick(1060 + 5)],
      want: { state: 'TIMEOUT' },
      states: ['TIMEOUT', 'PENDING'],
    },
    {
      name: 'a worker that begins the next action by itself gets it once it is resumed',
      from: two(),
      events: [
        called('s', 0),
        want('pause', 5),
        report('a', 'SUCCESS', 6, { session: 's' }),
        report('b', 'RUNNING', 7, { session: 's' }),
        want('resume', 8),
        report('b', 'RUNNING', 9, { session: 's' }),
      ],
      want: { currentState: { actionID: 'b', state: 'RUNNING' } },
      states: ['SUCCESS', 'RUNNING'],
    },
  ]),
)

t.test('pauses add up, and both verbs are harmless twice', async (t) => {
  const once = after(two(), [ready(0), want('pause', 10)]).status
  t.equal(step(once, want('pause', 20), none).status, once)
  t.equal(nextTick(once), undefined)
  t.notOk(wantsAgent(once))
  t.ok(wantsAgent(two()))
  t.notOk(wantsAgent(after(two(), [want('pause', 1)]).status))
  const on = after(once, [want('resume', 30)]).status
  t.equal(step(on, want('resume', 40), none).status, on)
  const again = after(on, [want('pause', 40), want('resume', 45)]).status
  t.equal(runningDeadline(again), at(60 + 20 + 5))
  t.equal(nextTick(again), at(60 + 20 + 5) + graceMs)
})

t.test('what cannot be done says why', async (t) => {
  const success = after(two(), [ready(0), report('a', 'SUCCESS', 1), report('b', 'SUCCESS', 2)]).status
  const cases: [RunStatus, ControlVerb, RegExp | undefined][] = [
    [success, 'cancel', /^it is SUCCESS, and PREPARING, PENDING or RUNNING is expected to cancel it/],
    [success, 'pause', /it has ended/],
    [success, 'resume', /it has ended/],
    [{ ...success, state: 'POST' }, 'cancel', /it ends by itself/],
    [after(two(), [want('cancel', 1)]).status, 'cancel', undefined],
    [after(two(), [want('cancel', 1)], toggled).status, 'cancel', undefined],
    [after(two(), [want('cancel', 1)]).status, 'pause', /it is FAILED/],
    [two(), 'resume', undefined],
    [{}, 'pause', undefined],
  ]
  for (const [status, verb, wanted] of cases) {
    const found = refusalOf(status, verb)
    if (wanted) t.match(found, wanted)
    else t.equal(found, undefined)
  }
})

t.test(
  'tries',
  check([
    {
      name: 'a failure waits for its next try, and says when',
      from: tried({ retries: 2 }),
      events: [ready(0), report('a', 'FAILED', 10, { message: 'no link' })],
      want: {
        state: 'RUNNING',
        tasks: [
          {
            actions: [{ message: 'try 1 of 3 failed: no link; next try at 2026-05-01T10:00:15.000Z' }, {}],
          },
        ],
        ironwake: { failures: 1, lastError: 'no link', nextTryAt: '2026-05-01T10:00:15.000Z', attempt: 1 },
      },
      states: ['PENDING', 'PENDING'],
      commands: [],
    },
    {
      name: 'nothing starts before that',
      from: tried({ retries: 2 }),
      events: [ready(0), report('a', 'FAILED', 10), tick(14), ready(14)],
      want: { ironwake: { failures: 1 } },
      states: ['PENDING', 'PENDING'],
    },
    {
      name: 'the next try has a deadline of its own, and a number that the agent takes for another one',
      from: tried({ retries: 2 }),
      events: [ready(0), report('a', 'FAILED', 10), tick(15), ready(15)],
      want: {
        ironwake: { failures: 1, attempt: 2 },
        tasks: [{ actions: [{ message: /^try 2 of 3;/ }, {}] }],
      },
      states: ['RUNNING', 'PENDING'],
      commands: [{ type: 'run-action' }],
    },
    {
      name: 'the time is doubled each time',
      from: tried({ retries: 2, retryDelaySeconds: 60 }),
      events: [ready(0), report('a', 'FAILED', 10), ready(70), report('a', 'FAILED', 80)],
      want: { ironwake: { failures: 2, nextTryAt: '2026-05-01T10:03:20.000Z' } },
      states: ['PENDING', 'PENDING'],
    },
    {
      name: 'the last failure ends the run',
      from: tried({ retries: 1 }),
      events: [ready(0), report('a', 'FAILED', 10), ready(15), report('a', 'FAILED', 20, { message: 'no' })],
      want: { state: 'FAILED', tasks: [{ actions: [{ message: 'try 2 of 2: no' }, {}] }] },
      states: ['FAILED', 'PENDING'],
    },
    {
      name: 'a success forgets them',
      from: tried({ retries: 1 }),
      events: [ready(0), report('a', 'FAILED', 10), ready(15), report('a', 'SUCCESS', 20, { attempt: 2 })],
      want: { ironwake: { failures: undefined, attempt: 1, actions: { a: { retries: 1 } } } },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'a late word of the try before does not count',
      from: tried({ retries: 1 }),
      events: [ready(0), report('a', 'FAILED', 10), ready(15), report('a', 'FAILED', 16, { attempt: 1 })],
      want: { state: 'RUNNING' },
      states: ['RUNNING', 'PENDING'],
    },
    {
      name: 'running out of time is a failure like another, and stops what runs',
      from: tried({ retries: 1 }),
      events: [ready(0), tick(65)],
      want: { ironwake: { failures: 1, lastError: 'no result within 60 s' } },
      states: ['PENDING', 'PENDING'],
      commands: [{ type: 'cancel-action', actionId: 'a' }],
    },
    {
      name: 'the end of the whole run in time is not',
      from: tried({ retries: 5, retryDelaySeconds: 300 }),
      events: [ready(0), report('a', 'FAILED', 500), tick(600)],
      want: { state: 'TIMEOUT', conditions: [{ reason: 'WorkflowTimeout' }] },
      states: ['PENDING', 'PENDING'],
    },
    {
      name: 'neither is somebody who cancels it',
      from: tried({ retries: 5 }),
      events: [ready(0), report('a', 'FAILED', 10), want('cancel', 11)],
      want: { state: 'FAILED' },
      states: ['PENDING', 'PENDING'],
    },
    {
      name: 'restarts of the machine are counted apart',
      from: tried({ retries: 3 }),
      events: [
        ready(0),
        report('a', 'FAILED', 1),
        ready(10),
        report('a', 'FAILED', 11),
        ready(30),
        ready(31, 'boot-2'),
        ready(32, 'boot-3'),
      ],
      want: { ironwake: { failures: 2, attempt: 5 } },
      states: ['RUNNING', 'PENDING'],
    },
    {
      name: 'an action behind a reboot does not wait for another one',
      from: pending([task('t1', mac, [reboot('r'), action('a')])], {
        ironwake: { actions: { a: { retries: 1 } } },
      }),
      events: [ready(0), ready(60, 'boot-2'), report('a', 'FAILED', 61), ready(70, 'boot-2')],
      want: { ironwake: { attempt: 2 } },
      states: ['SUCCESS', 'RUNNING'],
    },
  ]),
)

t.test('the time between tries grows to five minutes', async (t) => {
  const all = [1, 2, 3, 4, 5, 6, 7, 8].map((failures) => retryDelayMs({}, failures) / 1000)
  t.same(all, [5, 10, 20, 40, 80, 160, 300, 300])
})

t.test(
  'silence',
  check([
    {
      name: 'an agent that is not heard is noted as silent, since when',
      from: two(),
      events: [ready(0), lost(60), lost(90)],
      want: {
        state: 'RUNNING',
        conditions: [
          {
            type: 'AgentSilent',
            status: 'True',
            message: `agent ${mac} has not been heard since 2026-05-01T10:00:30.000Z`,
            time: '2026-05-01T10:00:30.000Z',
          },
        ],
      },
      states: ['RUNNING', 'PENDING'],
    },
    {
      name: 'and as heard when it is back',
      from: two(),
      events: [ready(0), lost(60), ready(90)],
      want: { conditions: [{ status: 'False', message: `agent ${mac} is back after 1m` }] },
      states: ['RUNNING', 'PENDING'],
      commands: [{ type: 'run-action' }],
    },
    {
      name: 'a report is a sign too',
      from: two(),
      events: [ready(0), lost(60), report('a', 'SUCCESS', 61)],
      want: { conditions: [{ status: 'False' }] },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'another agent is none',
      from: two(),
      events: [ready(0), lost(60), ready(61, 'x', otherMac)],
      want: { conditions: [{ status: 'True' }] },
      states: ['RUNNING', 'PENDING'],
    },
  ]),
)

const workflowOf = (name: string, status: RunStatus, more: object = {}): Workflow =>
  ({
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Workflow',
    metadata: { namespace: 'ns1', name, uid: name, creationTimestamp: '2026-05-01T10:00:00Z', ...more },
    spec: { templateRef: 't', hardwareRef: 'h' },
    status,
  }) as unknown as Workflow

t.test('a retry takes over what has succeeded, and begins where it failed', async (t) => {
  const actions = { a: { retries: 1 }, b: { retries: 2, onFailure: ['x'] } }
  const old = after(two({ ironwake: { actions } }), [
    ready(0),
    report('a', 'SUCCESS', 1),
    want('cancel', 2),
  ]).status
  let id = 0
  const { status } = carriedPlan(workflowOf('w', old), () => `id-${++id}`, t0)
  t.match(status, {
    state: 'PENDING',
    agentID: mac,
    globalTimeout: 600,
    tasks: [
      {
        id: 'id-1',
        actions: [
          { id: 'id-2', name: 'do a', state: 'SUCCESS', message: 'carried over from ns1/w' },
          { id: 'id-3', name: 'do b', state: 'PENDING', message: undefined, executionStart: undefined },
        ],
      },
    ],
    ironwake: { actions: { 'id-2': actions.a, 'id-3': actions.b } },
    globalExecutionStop: undefined,
  })
  const going = after(status, [ready(10)]).status
  t.match(going.currentState, { actionID: 'id-3', state: 'RUNNING' })
  const told = milestonesOf('ns1/w-retry-1', {}, status)
  t.same(told, [], 'what was carried over did not happen again')
  t.throws(() => carriedPlan(workflowOf('w', two()), () => 'x', t0), { code: 'Conflict' })
  t.throws(() => carriedPlan(workflowOf('w', { state: 'FAILED' }), () => 'x', t0), { code: 'Conflict' })
})

t.test('names of Workflows that are made of others', async (t) => {
  const taken = new Set(['w-retry-1', 'w-run-1'])
  const isTaken = (name: string) => taken.has(name)
  t.equal(nameAgain('retry', 'w', isTaken), 'w-retry-2')
  t.equal(nameAgain('retry', 'w-retry-1', isTaken), 'w-retry-2')
  t.equal(nameAgain('restart', 'w-retry-1', isTaken), 'w-run-2')
  t.equal(nameAgain('restart', 'x-run-7-retry-2', isTaken), 'x-run-1')
  t.equal(nameAgain('retry', 'x'.repeat(253), () => false).length, 253)
  const made = workflowAgain('retry', workflowOf('w', two(), { labels: { a: 'b' } }), 'w-retry-2')
  t.match(made, {
    metadata: {
      name: 'w-retry-2',
      labels: { a: 'b' },
      annotations: { 'ironwake.dev/retry-of': 'ns1/w' },
      uid: undefined,
    },
    spec: { templateRef: 't' },
    status: undefined,
  })
  t.same(originOf('retry', made as Workflow), { namespace: 'ns1', name: 'w' })
  const foreign = { ...made.metadata, annotations: { 'ironwake.dev/retry-of': 'ns2/w' } }
  t.equal(originOf('retry', { metadata: foreign } as unknown as Workflow), undefined)
})

t.test('when another Workflow is made of one', async (t) => {
  const failed = workflowOf('w', after(two(), [ready(0), report('a', 'FAILED', 1)]).status)
  const success = workflowOf('w', { ...failed.status, state: 'SUCCESS' })
  const child = (state: string) => workflowOf('w-retry-1', { state })
  const cases: [string, 'retry' | 'restart', Workflow, Workflow[], object][] = [
    ['a failed one is retried', 'retry', failed, [], { make: true }],
    ['once: the second time it is there', 'retry', failed, [child('RUNNING')], { there: child('RUNNING') }],
    ['and when it has succeeded', 'retry', failed, [child('SUCCESS')], { there: child('SUCCESS') }],
    ['a retry that failed is retried itself', 'retry', failed, [child('FAILED')], { refused: /w-retry-1/ }],
    ['a success is not retried', 'retry', success, [], { refused: /nothing is left to retry/ }],
    [
      'without a plan neither',
      'retry',
      workflowOf('w', { state: 'FAILED' }),
      [],
      { refused: /no rendered plan/ },
    ],
    [
      'one that runs neither',
      'retry',
      workflowOf('w', two()),
      [],
      { refused: /is PENDING.*cancel it first/ },
    ],
    ['a success is restarted', 'restart', success, [], { make: true }],
    ['again and again', 'restart', success, [child('FAILED')], { make: true }],
    ['but not twice at a time', 'restart', success, [child('PENDING')], { there: child('PENDING') }],
    ['and not while it runs', 'restart', workflowOf('w', two()), [], { refused: /cancel it first/ }],
    ['nor before it is planned', 'restart', workflowOf('w', {}), [], { refused: /not planned yet/ }],
  ]
  for (const [name, verb, workflow, made, wanted] of cases)
    t.match(againOf(verb, workflow, made), wanted, name)
})

t.test('the queue of a machine', async (t) => {
  const one = workflowOf('one', after(two(), [ready(0)]).status)
  const paused = workflowOf('paused', after(two(), [want('pause', 0)]).status)
  const [three, four] = [workflowOf('three', two()), workflowOf('four', two())]
  const mine = [paused, one, three, four]
  t.equal(turnOf(mine, one), undefined)
  t.equal(turnOf(mine, paused), undefined, 'one that is paused before its turn waits for nobody')
  t.same(turnOf(mine, three), { ahead: 1, after: { namespace: 'ns1', name: 'one' } })
  t.same(turnOf(mine, four), { ahead: 2, after: { namespace: 'ns1', name: 'three' } })
})

t.test('durations in templates', async (t) => {
  const cases: [string, number | undefined][] = [
    ['5s', 5],
    ['1m30s', 90],
    ['1.5m', 90],
    ['500ms', 0.5],
    ['10', 10],
    ['', undefined],
    ['5', 5],
    ['5 s', undefined],
    ['s', undefined],
    ['-5s', undefined],
    ['5sx', undefined],
    ['x5s', undefined],
  ]
  for (const [text, seconds] of cases) t.equal(parseDuration(text), seconds, text)
})

/** Numbers from 0 to 1 (mulberry32). */
function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

t.test('whatever happens: an end is an end, and what has succeeded is not started again', async (t) => {
  const seed = Number(process.env['STEP_SEED'] ?? Date.now() % 1_000_000)
  t.comment(`STEP_SEED=${seed}`)
  const random = dice(seed)
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
  const ends = new Set<string>()
  const ids = ['a', 'r', 'b', 'c']
  for (let round = 0; round < 3000; round++) {
    const options = { toggleAllowNetboot: random() < 0.3 }
    const actions = { a: { retries: 2 }, b: { retries: 1 } }
    let status = pending(
      [
        task('t1', mac, [action('a'), reboot('r', pick(['x/reboot', 'alpine'])), action('b')]),
        task('t2', pick([mac, otherMac]), [action('c')]),
      ],
      {
        globalTimeout: 3000,
        state: options.toggleAllowNetboot ? 'PREPARING' : 'PENDING',
        ironwake: { actions },
      },
    )
    const succeeded = new Set<string>()
    let now = 0
    for (let turn = 0; turn < 40; turn++) {
      now += random() * 60
      const agentId = pick([mac, mac, mac, otherMac])
      const session = pick([undefined, 's1', 's2'])
      const events: RunEvent[] = [
        ready(now, pick(['boot-1', 'boot-2', 'boot-3']), agentId),
        { type: 'agent-ready', agentId, bootId: '', session: pick(['s1', 's2']), at: at(now) },
        report(pick(ids), pick(['RUNNING', 'SUCCESS', 'SUCCESS', 'FAILED', 'TIMEOUT']), now, {
          agentId,
          attempt: pick([0, 0, 1, 2]),
          ...(session ? { session } : {}),
        }),
        report(pick(ids), 'SUCCESS', now),
        tick(now),
        lost(now),
        { type: 'phoned-home', at: at(now) },
        want(pick(['cancel', 'pause', 'resume', 'resume', 'resume']), now),
        { type: 'netboot-set', allowed: random() < 0.5, at: at(now) },
      ]
      const before = status
      const event = pick(events)
      status = step(before, event, options).status
      if (['SUCCESS', 'FAILED', 'TIMEOUT'].includes(before.state ?? '')) {
        if (status !== before) t.fail(`${before.state} moved by ${JSON.stringify(event)}`)
      }
      for (const { id, state } of status.tasks!.flatMap((one) => one.actions)) {
        if (state === 'SUCCESS') succeeded.add(id)
        if (state === 'RUNNING' && succeeded.has(id))
          t.fail(`${id} started again by ${JSON.stringify(event)}`)
      }
      const running = states(status).filter((state) => state === 'RUNNING').length
      if (running > 1) t.fail('two actions run')
    }
    ends.add(status.state ?? '')
  }
  t.ok(
    ['SUCCESS', 'FAILED', 'TIMEOUT'].every((state) => ends.has(state)),
    [...ends].join(' '),
  )
})
