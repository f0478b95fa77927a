import t from 'tap'
import { currentPlace, followingPlace, precedingPlace } from '../../src/workflow/place.ts'
import { endsUnseen, reboots } from '../../src/workflow/reboot.ts'
import { commandsOf } from '../../src/workflow/change.ts'
import { maxAttempts } from '../../src/workflow/on-agent.ts'
import { step, wantsAgent } from '../../src/workflow/step.ts'
import type { Outcome, ReportedState, RunEvent, RunStatus } from '../../src/workflow/run.ts'
import { durationText, graceMs, nextTick } from '../../src/workflow/timing.ts'
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

function after(status: RunStatus, events: RunEvent[], options = none): Outcome {
  let outcome: Outcome = { status, commands: [] }
  for (const event of events) outcome = step(outcome.status, event, options)
  return outcome
}

const two = () => pending([task('t1', mac, [action('a'), action('b')])], { globalTimeout: 600 })
const states = (status: RunStatus) => status.tasks!.flatMap((one) => one.actions.map(({ state }) => state))

t.test('what moves a run on', async (t) => {
  const cases: { name: string; from: RunStatus; events: RunEvent[]; want: object; states: string[] }[] = [
    {
      name: 'the first action starts when its agent is there, and the end of the run in time is set',
      from: two(),
      events: [ready(0)],
      want: {
        state: 'RUNNING',
        agentID: mac,
        globalExecutionStop: '2026-05-01T10:10:00.000Z',
        currentState: { agentID: mac, taskID: 't1', actionID: 'a', state: 'RUNNING', actionName: 'do a' },
        tasks: [{ actions: [{ executionStart: '2026-05-01T10:00:00.000Z' }, {}] }],
        ironwake: { bootId: 'boot-1', attempt: 1 },
      },
      states: ['RUNNING', 'PENDING'],
    },
    {
      name: 'a success starts the next action in the same step',
      from: two(),
      events: [ready(0), report('a', 'RUNNING', 1), report('a', 'SUCCESS', 125)],
      want: {
        state: 'RUNNING',
        currentState: { actionID: 'b', state: 'RUNNING' },
        tasks: [{ actions: [{ executionStop: '2026-05-01T10:02:05.000Z', executionDuration: '2m5s' }, {}] }],
      },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'the success of the last action ends the run',
      from: two(),
      events: [ready(0), report('a', 'SUCCESS', 1), report('b', 'SUCCESS', 2)],
      want: {
        state: 'SUCCESS',
        currentState: { actionID: 'b', state: 'SUCCESS' },
        conditions: [{ type: 'Succeeded', status: 'True', reason: 'Completed' }],
      },
      states: ['SUCCESS', 'SUCCESS'],
    },
    {
      name: 'a failure ends the run with the agent’s message, on one line',
      from: two(),
      events: [ready(0), report('a', 'FAILED', 1, { message: 'no such disk\n/dev/sdx\u0007' })],
      want: {
        state: 'FAILED',
        tasks: [{ actions: [{ message: 'no such disk /dev/sdx' }, {}] }],
        conditions: [
          {
            type: 'Succeeded',
            status: 'False',
            reason: 'ActionFailed',
            message: 'action "do a" of task "task t1": no such disk /dev/sdx',
          },
        ],
      },
      states: ['FAILED', 'PENDING'],
    },
    {
      name: 'the agent’s own timeout is taken for one',
      from: two(),
      events: [ready(0), report('a', 'TIMEOUT', 61, { message: 'not finished within 60 s' })],
      want: { state: 'TIMEOUT', conditions: [{ reason: 'ActionTimeout' }] },
      states: ['TIMEOUT', 'PENDING'],
    },
    {
      name: 'an action without a result past its deadline and grace times out',
      from: two(),
      events: [ready(0), tick(60 + graceMs / 1000)],
      want: { state: 'TIMEOUT', tasks: [{ actions: [{ message: 'no result within 60 s' }, {}] }] },
      states: ['TIMEOUT', 'PENDING'],
    },
    {
      name: 'the run as a whole times out while a machine does not come back from its reboot',
      from: pending([task('t1', mac, [reboot('a'), action('b')])], { globalTimeout: 100 }),
      events: [ready(0), report('a', 'SUCCESS', 1), tick(100)],
      want: { state: 'TIMEOUT', currentState: { actionID: 'b', state: 'TIMEOUT' } },
      states: ['SUCCESS', 'PENDING'],
    },
    {
      name: 'the next task waits for its own agent',
      from: pending([task('t1', mac, [action('a')]), task('t2', otherMac, [action('b')])]),
      events: [ready(0), report('a', 'SUCCESS', 1)],
      want: { state: 'RUNNING', agentID: otherMac, currentState: { actionID: 'a', state: 'SUCCESS' } },
      states: ['SUCCESS', 'PENDING'],
    },
    {
      name: 'the next task starts when its agent is there',
      from: pending([task('t1', mac, [action('a')]), task('t2', otherMac, [action('b')])]),
      events: [ready(0), report('a', 'SUCCESS', 1), ready(2), ready(3, 'boot-x', otherMac)],
      want: { agentID: otherMac, currentState: { actionID: 'b' }, ironwake: { bootId: 'boot-x' } },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'the next task of the same agent starts at once',
      from: pending([task('t1', mac, [action('a')]), task('t2', mac, [action('b')])]),
      events: [ready(0), report('a', 'SUCCESS', 1)],
      want: { state: 'RUNNING', currentState: { taskID: 't2' } },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'a final reboot that the agent will report on has not succeeded when it begins',
      from: pending([task('t1', mac, [action('a'), reboot('b')])]),
      events: [ready(0), report('a', 'SUCCESS', 1), report('b', 'RUNNING', 2)],
      want: { state: 'RUNNING' },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'a final reboot ends the run when the agent reports it',
      from: pending([task('t1', mac, [action('a'), reboot('b')])]),
      events: [ready(0), report('a', 'SUCCESS', 1), report('b', 'SUCCESS', 2)],
      want: { state: 'SUCCESS' },
      states: ['SUCCESS', 'SUCCESS'],
    },
    {
      name: 'a final reboot of another program ends the run as soon as it runs, because no more may be heard of it',
      from: pending([task('t1', mac, [action('a'), reboot('b', 'alpine')])]),
      events: [ready(0), report('a', 'SUCCESS', 1), report('b', 'RUNNING', 2)],
      want: { state: 'SUCCESS' },
      states: ['SUCCESS', 'SUCCESS'],
    },
    {
      name: 'a final reboot has succeeded when the installed system phones home',
      from: pending([task('t1', mac, [reboot('a')])]),
      events: [ready(0), { type: 'phoned-home', at: t0 + 60_000 }],
      want: { state: 'SUCCESS', tasks: [{ actions: [{ message: 'the installed system has phoned home' }] }] },
      states: ['SUCCESS'],
    },
    {
      name: 'an action that does not reboot takes nothing from a system that phones home',
      from: two(),
      events: [ready(0), { type: 'phoned-home', at: t0 + 60_000 }],
      want: { state: 'RUNNING' },
      states: ['RUNNING', 'PENDING'],
    },
    {
      name: 'a final reboot whose report was lost has worked when the machine is back with another boot',
      from: pending([task('t1', mac, [reboot('a')])]),
      events: [ready(0), ready(90, 'boot-2')],
      want: { state: 'SUCCESS' },
      states: ['SUCCESS'],
    },
    {
      name: 'after a reboot in the middle the next action waits for another boot',
      from: pending([task('t1', mac, [reboot('a'), action('b')])]),
      events: [ready(0), report('a', 'SUCCESS', 1), ready(2)],
      want: { state: 'RUNNING' },
      states: ['SUCCESS', 'PENDING'],
    },
    {
      name: 'the next action starts on the new boot',
      from: pending([task('t1', mac, [reboot('a'), action('b')])]),
      events: [ready(0), report('a', 'SUCCESS', 1), ready(60, 'boot-2')],
      want: { state: 'RUNNING', ironwake: { bootId: 'boot-2', attempt: 1 } },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'a reboot in the middle whose report was lost lets the next action start on the new boot',
      from: pending([task('t1', mac, [reboot('a'), action('b')])]),
      events: [ready(0), ready(60, 'boot-2')],
      want: { state: 'RUNNING', ironwake: { bootId: 'boot-2' } },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'a reboot in the middle that fails after all ends the run',
      from: pending([task('t1', mac, [reboot('a'), action('b')])]),
      events: [ready(0), report('a', 'SUCCESS', 1), report('a', 'FAILED', 2, { message: 'no /proc/sysrq' })],
      want: { state: 'FAILED', tasks: [{ actions: [{ message: 'no /proc/sysrq' }, {}] }] },
      states: ['FAILED', 'PENDING'],
    },
    {
      name: 'an action that a restart of the machine interrupts is started again, with a new deadline',
      from: two(),
      events: [ready(0), report('a', 'SUCCESS', 1), ready(30, 'boot-2')],
      want: {
        state: 'RUNNING',
        tasks: [
          {
            actions: [
              {},
              {
                executionStart: '2026-05-01T10:00:30.000Z',
                message: 'the machine restarted during attempt 1; attempt 2 of 3',
              },
            ],
          },
        ],
        ironwake: { bootId: 'boot-2', attempt: 2 },
      },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'an action that restarts the machine again and again is given up',
      from: two(),
      events: [ready(0), ready(1, 'boot-2'), ready(2, 'boot-3'), ready(3, 'boot-4')],
      want: { state: 'FAILED', conditions: [{ reason: 'MachineRestarted' }] },
      states: ['FAILED', 'PENDING'],
    },
    {
      name: 'the result of an earlier attempt does not count for a later one, its own does',
      from: two(),
      events: [
        ready(0),
        ready(1, 'boot-2'),
        report('a', 'FAILED', 2, { attempt: 1 }),
        report('a', 'SUCCESS', 3, { attempt: 2 }),
      ],
      want: { state: 'RUNNING', ironwake: { attempt: 1, bootId: 'boot-2' } },
      states: ['SUCCESS', 'RUNNING'],
    },
    {
      name: 'a run without actions has succeeded when its agent is there',
      from: pending([task('t1', mac, [])]),
      events: [ready(0)],
      want: { state: 'SUCCESS' },
      states: [],
    },
    {
      name: 'an agent without boot ids goes on after a reboot when it asks again',
      from: pending([task('t1', mac, [reboot('a'), action('b')])]),
      events: [ready(0, ''), report('a', 'SUCCESS', 1), ready(60, '')],
      want: { state: 'RUNNING' },
      states: ['SUCCESS', 'RUNNING'],
    },
  ]
  for (const { name, from, events, want, states: wanted } of cases) {
    t.test(name, async (t) => {
      const { status } = after(from, events)
      t.match(status, want)
      t.same(states(status), wanted)
    })
  }
})

t.test('what does not apply gives back the same status and no command', async (t) => {
  const running = after(two(), [ready(0)]).status
  const ended = (events: RunEvent[]) => after(two(), events).status
  const success = ended([ready(0), report('a', 'SUCCESS', 1), report('b', 'SUCCESS', 2)])
  const failed = ended([ready(0), report('a', 'FAILED', 1)])
  const timeout = ended([ready(0), tick(100)])
  const cases: { name: string; from: RunStatus; event: RunEvent }[] = [
    { name: 'another agent is there', from: two(), event: ready(0, 'boot-1', otherMac) },
    { name: 'a report before anything was started', from: two(), event: report('a', 'SUCCESS', 0) },
    { name: 'a tick before anything was started', from: two(), event: tick(1e6) },
    { name: 'RUNNING of an action that runs', from: running, event: report('a', 'RUNNING', 1) },
    { name: 'a report on an action to come', from: running, event: report('b', 'SUCCESS', 1) },
    { name: 'a report on an unknown action', from: running, event: report('x', 'SUCCESS', 1) },
    {
      name: 'a report by another agent',
      from: running,
      event: report('a', 'SUCCESS', 1, { agentId: otherMac }),
    },
    { name: 'a report on another attempt', from: running, event: report('a', 'FAILED', 1, { attempt: 7 }) },
    {
      name: 'a success reported twice',
      from: step(running, report('a', 'SUCCESS', 1), none).status,
      event: report('a', 'SUCCESS', 2),
    },
    {
      name: 'a failure of an action that has succeeded',
      from: step(running, report('a', 'SUCCESS', 1), none).status,
      event: report('a', 'FAILED', 2),
    },
    { name: 'a tick before the deadline', from: running, event: tick(59) },
    { name: 'a tick within the grace', from: running, event: tick(60 + graceMs / 1000 - 1) },
    {
      name: 'netboot switched on twice',
      from: running,
      event: { type: 'netboot-set', allowed: true, at: t0 },
    },
    ...[success, failed, timeout].flatMap((from) => [
      { name: `${from.state}: an agent is there`, from, event: ready(200, 'boot-9') },
      { name: `${from.state}: a late RUNNING`, from, event: report('a', 'RUNNING', 200) },
      { name: `${from.state}: a late SUCCESS`, from, event: report('b', 'SUCCESS', 200) },
      { name: `${from.state}: a late FAILED`, from, event: report('a', 'FAILED', 200) },
      { name: `${from.state}: a tick`, from, event: tick(1e6) },
      {
        name: `${from.state}: netboot switched off`,
        from,
        event: { type: 'netboot-set', allowed: false, at: t0 } as const,
      },
    ]),
  ]
  for (const { name, from, event } of cases) {
    t.test(name, async (t) => {
      const before = structuredClone(from)
      const { status, commands } = step(from, event, toggled)
      t.equal(status, from)
      t.same(commands, [])
      t.same(from, before, 'and the argument is not changed')
    })
  }
})

t.test('commands', async (t) => {
  const running = after(two(), [ready(0)]).status
  t.same(step(two(), ready(0), none).commands, [{ type: 'run-action' }], 'a start')
  const again = step(running, ready(5), none)
  t.equal(again.status, running, 'a restarted agent changes nothing')
  t.same(again.commands, [{ type: 'run-action' }], 'and gets the same action again')
  const timedOut = step(running, tick(70), none).commands
  t.match(timedOut, [{ type: 'cancel-action', agentId: mac, actionId: 'a' }], 'a timeout stops the agent')
  t.same(step(running, report('a', 'FAILED', 1), none).commands, [], 'a reported end needs no stop')
})

t.test('netboot is switched on before and off after, whatever the outcome', async (t) => {
  const preparing: RunStatus = { ...two(), state: 'PREPARING' }
  t.same(commandsOf(preparing), [{ type: 'allow-netboot', allowed: true }])
  t.equal(step(preparing, ready(0), toggled).status, preparing, 'no agent gets anything before')
  const { status } = step(preparing, { type: 'netboot-set', allowed: true, at: t0 }, toggled)
  t.match(status, { state: 'PENDING', bootOptions: { allowNetboot: { toggledTrue: true } } })
  for (const [state, wanted] of [
    ['SUCCESS', 'SUCCESS'],
    ['FAILED', 'FAILED'],
    ['TIMEOUT', 'TIMEOUT'],
  ] as const) {
    const first = after(status, [ready(0), report('a', 'SUCCESS', 1)], toggled).status
    const post = step(first, report('b', state, 2), toggled)
    t.match(post.status, { state: 'POST', currentState: { state: wanted } })
    t.same(post.commands, [{ type: 'allow-netboot', allowed: false }])
    t.same(commandsOf(post.status), post.commands, 'a restarted server does it again')
    t.equal(step(post.status, tick(1e6), toggled).status, post.status, 'time changes nothing any more')
    const done = step(post.status, { type: 'netboot-set', allowed: false, at: at(3) }, toggled)
    t.match(done.status, { state: wanted, bootOptions: { allowNetboot: { toggledFalse: true } } })
    t.same(done.commands, [])
  }
  const refused = step(preparing, { type: 'netboot-set', allowed: true, fault: 'gone', at: t0 }, toggled)
  t.match(refused.status, { state: 'FAILED', conditions: [{ type: 'AllowNetbootTrue', status: 'False' }] })
})

t.test('a silent machine: the next tick is the nearer of both deadlines', async (t) => {
  const running = after(two(), [ready(0)]).status
  t.equal(nextTick(running), at(60) + graceMs)
  const long = pending([task('t1', mac, [action('a', { timeout: 6000 })])], { globalTimeout: 600 })
  const started = after(long, [ready(0)]).status
  t.equal(nextTick(started), at(600))
  const { status, commands } = step(started, tick(600), none)
  t.match(status, { state: 'TIMEOUT', conditions: [{ reason: 'WorkflowTimeout' }] })
  t.match(commands, [{ type: 'cancel-action' }])
  t.equal(nextTick(status), undefined)
  t.equal(nextTick(two()), undefined, 'nothing is due before the start')
  const endless = after(pending([task('t1', mac, [action('a', { timeout: 0 })])]), [ready(0)]).status
  t.equal(nextTick(endless), at(3600) + graceMs, 'an action without a timeout has an hour')
  t.notOk('globalExecutionStop' in endless, 'a run without a timeout has none')
})

t.test('wantsAgent says whether a run goes on when its agent is there', async (t) => {
  const running = after(two(), [ready(0)]).status
  t.ok(wantsAgent(two()))
  t.notOk(wantsAgent(running))
  t.notOk(wantsAgent({ ...two(), state: 'PREPARING' }))
  t.ok(
    wantsAgent(
      after(pending([task('t1', mac, [reboot('a'), action('b')])]), [ready(0), report('a', 'SUCCESS', 1)])
        .status,
    ),
  )
})

t.test('every prefix of attempts is bounded', async (t) => {
  const boots = Array.from({ length: 10 }, (_, index) => ready(index, `boot-${index}`))
  const starts = boots.map((_, index) => after(two(), boots.slice(0, index + 1)).status)
  t.equal(starts.filter(({ state }) => state === 'RUNNING').length, maxAttempts)
})

t.test('actions that restart the machine', async (t) => {
  const cases: [string, string, boolean][] = [
    ['127.0.0.1/embedded/reboot', 'x', true],
    [
      'public.ecr.aws/eks-anywhere/tinkerbell/hub/reboot:6c0f0d437bde2c836d90b000312c8b25fa1b65e1-eks-a-15',
      'x',
      true,
    ],
    [`reg:5000/reboot@sha256:${'a'.repeat(64)}`, 'x', true],
    ['ghcr.io/jacobweinstock/waitdaemon:latest', 'Reboot into OS', true],
    ['alpine', 'reboot-image', true],
    ['127.0.0.1/embedded/writefile', 'write reboot hook', false],
    ['127.0.0.1/embedded/cexec', 'prepare reboot', false],
    ['quay.io/tinkerbell/actions/kexec', 'kexec image', true],
    ['reg/reboot/image2disk', 'stream', false],
  ]
  for (const [image, name, want] of cases) t.equal(reboots({ image, name }), want, `${image} "${name}"`)
  t.ok(endsUnseen({ image: 'alpine', name: 'reboot-image' }), 'a foreign program may take its agent along')
  t.notOk(
    endsUnseen({ image: 'reg/kexec', name: 'reboot' }),
    "ironwake's own actions wait for the server's word",
  )
})

t.test('durations', async (t) => {
  const cases: [number, string][] = [
    [0, '0s'],
    [-5, '0s'],
    [340, '340ms'],
    [999.9, '999ms'],
    [1000, '1s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [125_000, '2m5s'],
    [3_600_000, '1h'],
    [5_400_999, '1h30m'],
    [90_061_000, '25h1m'],
  ]
  for (const [ms, want] of cases) t.equal(durationText(ms), want)
})

t.test('actions are found across tasks, empty ones too', async (t) => {
  const status = pending([
    task('t1', mac, [action('a', { state: 'SUCCESS' })]),
    task('t2', mac, []),
    task('t3', mac, [action('b'), action('c')]),
    task('t4', mac, []),
  ])
  const b = currentPlace(status)!
  t.match(b, { taskIndex: 2, actionIndex: 0, action: { id: 'b' } })
  const c = followingPlace(status, b)!
  t.match(c, { taskIndex: 2, actionIndex: 1, action: { id: 'c' } })
  t.equal(followingPlace(status, c), undefined)
  t.match(precedingPlace(status, c), { action: { id: 'b' } })
  const a = precedingPlace(status, b)!
  t.match(a, { taskIndex: 0, action: { id: 'a' } })
  t.equal(precedingPlace(status, a), undefined)
  t.match(followingPlace(status, a), { taskIndex: 2, actionIndex: 0 })
})

t.test('agents without a boot id', async (t) => {
  const called = (session: string, seconds = 5): RunEvent => ({
    type: 'agent-ready',
    agentId: mac,
    bootId: '',
    session,
    at: at(seconds),
  })
  const said = (id: string, state: ReportedState, session = 's1') => report(id, state, 5, { session })
  const lost: RunEvent = { type: 'agent-lost', agentId: mac, since: at(30), at: at(60) }
  const kexec = reboot('b', 'quay.io/tinkerbell/actions/kexec')
  const alpine = action('b', { name: 'reboot', image: 'alpine' })
  const run = (middle = action('b')) => pending([task('t1', mac, [action('a'), middle, action('c')])])
  const atKexec = [called('s1'), said('a', 'SUCCESS')]
  const cases: { name: string; from: RunStatus; events: RunEvent[]; states: string[] }[] = [
    {
      name: 'another connection gets the action that runs again',
      from: run(),
      events: [called('s1'), said('a', 'RUNNING'), called('s2')],
      states: ['RUNNING', 'PENDING', 'PENDING'],
    },
    {
      name: 'one that is lost keeps its action until the deadline',
      from: run(),
      events: [called('s1'), said('a', 'RUNNING'), lost],
      states: ['RUNNING', 'PENDING', 'PENDING'],
    },
    {
      name: 'kexec has succeeded when the agent is back over another connection',
      from: run(kexec),
      events: [...atKexec, said('b', 'RUNNING'), called('s2')],
      states: ['SUCCESS', 'SUCCESS', 'RUNNING'],
    },
    {
      name: 'kexec is repeated over another connection when it had not begun',
      from: run(kexec),
      events: [...atKexec, called('s2')],
      states: ['SUCCESS', 'RUNNING', 'PENDING'],
    },
    {
      name: 'kexec is repeated over the same connection',
      from: run(kexec),
      events: [...atKexec, said('b', 'RUNNING'), called('s1')],
      states: ['SUCCESS', 'RUNNING', 'PENDING'],
    },
    {
      name: 'kexec has succeeded when the agent is gone, and what follows waits for it',
      from: run(kexec),
      events: [...atKexec, said('b', 'RUNNING'), lost],
      states: ['SUCCESS', 'SUCCESS', 'PENDING'],
    },
    {
      name: 'kexec that says that it has failed has failed',
      from: run(kexec),
      events: [...atKexec, said('b', 'RUNNING'), said('b', 'FAILED')],
      states: ['SUCCESS', 'FAILED', 'PENDING'],
    },
    {
      name: 'after a reboot, the same connection gets nothing more',
      from: run(alpine),
      events: [...atKexec, said('b', 'RUNNING'), said('b', 'SUCCESS'), called('s1')],
      states: ['SUCCESS', 'SUCCESS', 'PENDING'],
    },
    {
      name: 'after a reboot, another connection goes on',
      from: run(alpine),
      events: [...atKexec, said('b', 'RUNNING'), called('s1'), called('s2')],
      states: ['SUCCESS', 'SUCCESS', 'RUNNING'],
    },
    {
      name: 'a machine that comes back with ironwake’s own agent has restarted',
      from: run(kexec),
      events: [...atKexec, said('b', 'RUNNING'), ready(9)],
      states: ['SUCCESS', 'SUCCESS', 'RUNNING'],
    },
    {
      name: 'a machine of ironwake’s own agent that comes back with another one has restarted',
      from: run(kexec),
      events: [ready(0), report('a', 'SUCCESS', 1), called('s1')],
      states: ['SUCCESS', 'SUCCESS', 'RUNNING'],
    },
  ]
  for (const { name, from, events, states: want } of cases)
    t.test(name, async (t) => t.same(states(after(from, events).status), want))
})
