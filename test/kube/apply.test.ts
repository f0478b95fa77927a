import t from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { apply, idOf, update } from '../../src/kube/apply.ts'
import type { Managers, Owner } from '../../src/kube/apply.ts'
import { pathsOf } from '../../src/kube/fields.ts'

type Step = {
  as: string
  apply?: string
  force?: boolean
  update?: string
  conflicts?: string[]
}
type Case = { name: string; steps: Step[]; want: string; owners?: Record<string, string[]> }

const owner = (manager: string, operation: Owner['operation'], apiVersion = 'v1'): Owner => ({
  manager,
  operation,
  apiVersion,
  subresource: '',
})
const document = (text: string): unknown => parse(text) ?? {}

function run(steps: readonly Step[], t: Test) {
  let live: unknown = {}
  let managers: Managers = new Map()
  for (const step of steps) {
    if (step.update !== undefined) {
      const next = document(step.update)
      managers = update(live, next, managers, owner(step.as, 'Update'), 'now')
      live = next
      continue
    }
    const options = { now: 'now', force: step.force ?? false }
    const result = apply(live, document(step.apply ?? ''), managers, owner(step.as, 'Apply'), options)
    if (result.conflicts) {
      const found = result.conflicts.flatMap(({ owner: { manager }, fields }) =>
        pathsOf(fields).map((path) => `${manager} ${path}`),
      )
      t.same(found.toSorted(), step.conflicts ?? [], 'conflicts')
      continue
    }
    t.equal(step.conflicts, undefined, 'no conflict')
    ;({ document: live, managers } = result)
  }
  return { live, managers }
}

// The rules are those of structured-merge-diff for documents without a schema; examples from the Kubernetes
// documentation ("Server-Side Apply") are written as Hardware.
const cases: Case[] = [
  {
    name: 'applying twice changes values and adds fields',
    steps: [
      { as: 'd', apply: 'numeric: 1\nstring: s' },
      { as: 'd', apply: 'numeric: 2\nstring: s\nbool: false' },
    ],
    want: 'numeric: 2\nstring: s\nbool: false',
    owners: { d: ['.bool', '.numeric', '.string'] },
  },
  {
    name: 'what another client adds stays and stays its own',
    steps: [
      { as: 'd', apply: 'numeric: 1\nstring: s' },
      { as: 'c', update: 'numeric: 1\nstring: s\nbool: true' },
      { as: 'd', apply: 'numeric: 2\nstring: s' },
    ],
    want: 'numeric: 2\nstring: s\nbool: true',
    owners: { d: ['.numeric', '.string'], c: ['.bool'] },
  },
  {
    name: 'a value that another client changed is a conflict until it is forced',
    steps: [
      { as: 'd', apply: 'numeric: 1\nstring: s' },
      { as: 'c', update: 'numeric: 1\nstring: theirs\nbool: true' },
      { as: 'd', apply: 'numeric: 2\nstring: mine', conflicts: ['c .string'] },
      { as: 'd', apply: 'numeric: 2\nstring: mine', force: true },
    ],
    want: 'numeric: 2\nstring: mine\nbool: true',
    owners: { d: ['.numeric', '.string'], c: ['.bool'] },
  },
  {
    name: 'applying the value that is there shares the field',
    steps: [
      { as: 'a', apply: 'x: 1' },
      { as: 'b', apply: 'x: 1' },
    ],
    want: 'x: 1',
    owners: { a: ['.x'], b: ['.x'] },
  },
  {
    name: 'of a shared field one owner may let go',
    steps: [
      { as: 'a', apply: 'x: 1\ny: 1' },
      { as: 'b', apply: 'x: 1' },
      { as: 'a', apply: 'y: 1' },
    ],
    want: 'x: 1\ny: 1',
    owners: { a: ['.y'], b: ['.x'] },
  },
  {
    name: 'a shared field cannot be changed by one of its owners',
    steps: [
      { as: 'a', apply: 'x: 1' },
      { as: 'b', apply: 'x: 1' },
      { as: 'a', apply: 'x: 2', conflicts: ['b .x'] },
    ],
    want: 'x: 1',
  },
  {
    name: 'a field that is no longer applied goes',
    steps: [
      { as: 'd', apply: 'numeric: 1\nstring: s\nbool: false' },
      { as: 'd', apply: 'string: new' },
    ],
    want: 'string: new',
    owners: { d: ['.string'] },
  },
  {
    name: 'applying nothing removes everything that was applied',
    steps: [
      { as: 'd', apply: 'a: {b: 1}' },
      { as: 'd', apply: '' },
    ],
    want: '{}',
    owners: {},
  },
  {
    name: 'an owner whose fields were all changed is gone',
    steps: [
      { as: 'd', apply: 'string: s' },
      { as: 'c', update: 'string: new' },
    ],
    want: 'string: new',
    owners: { c: ['.string'] },
  },
  {
    name: 'lists are one value',
    steps: [
      { as: 'd', apply: 'list: [a, c]' },
      { as: 'd', apply: 'list: [a, d, c, b]' },
    ],
    want: 'list: [a, d, c, b]',
    owners: { d: ['.list'] },
  },
  {
    name: 'a list that another client changed is replaced by force',
    steps: [
      { as: 'd', apply: 'list: [a, c]' },
      { as: 'c', update: 'list: [a, b, c, d]' },
      { as: 'd', apply: 'list: [a, b, c]', conflicts: ['c .list'] },
      { as: 'd', apply: 'list: [a, b, c]', force: true },
    ],
    want: 'list: [a, b, c]',
    owners: { d: ['.list'] },
  },
  {
    name: 'nested fields conflict one by one',
    steps: [
      { as: 'd', apply: 'a: 1\nb: {c: {d: 2, e: [1, 2, 3], f: [{name: n, value: 1}]}}' },
      { as: 'c', update: 'a: 1\nb: {c: {d: 3, e: [1, 2, 3, 4], f: [{name: n, value: 2}]}}\ng: 5' },
      {
        as: 'd',
        apply: 'a: 2\nb: {c: {d: 2, e: [3, 2, 1], f: [{name: n, value: 1}]}}',
        conflicts: ['c .b.c.d', 'c .b.c.e', 'c .b.c.f'],
      },
      { as: 'd', apply: 'a: 2\nb: {c: {d: 2, e: [3, 2, 1], f: [{name: n, value: 1}]}}', force: true },
    ],
    want: 'a: 2\nb: {c: {d: 2, e: [3, 2, 1], f: [{name: n, value: 1}]}}\ng: 5',
  },
  {
    name: 'what an updater added below an applied object keeps the object',
    steps: [
      { as: 'd', apply: 'a: {x: 1}' },
      { as: 'c', update: 'a: {x: 1, y: 2}' },
      { as: 'd', apply: '' },
    ],
    want: 'a: {y: 2}',
    owners: { c: ['.a.y'] },
  },
  {
    name: 'an empty object is a value of its own',
    steps: [{ as: 'd', apply: 'a: {}' }],
    want: 'a: {}',
    owners: { d: ['.a'] },
  },
  {
    name: 'creating by an update owns the containers too',
    steps: [{ as: 'c', update: 'spec: {a: {b: 1}}' }],
    want: 'spec: {a: {b: 1}}',
    owners: { c: ['.spec', '.spec.a', '.spec.a.b'] },
  },
  {
    name: 'an update that removes a field takes it from its applier, who may apply it again',
    steps: [
      { as: 'd', apply: 'a: 1\nb: 1' },
      { as: 'c', update: 'a: 1' },
      { as: 'd', apply: 'a: 1\nb: 1' },
    ],
    want: 'a: 1\nb: 1',
    owners: { d: ['.a', '.b'] },
  },
  {
    name: 'a text that becomes an object',
    steps: [
      { as: 'd', apply: 'a: x' },
      { as: 'd', apply: 'a: {b: 1}' },
    ],
    want: 'a: {b: 1}',
    owners: { d: ['.a.b'] },
  },
  {
    name: 'an update that does not change anything owns nothing',
    steps: [
      { as: 'd', apply: 'a: 1' },
      { as: 'c', update: 'a: 1' },
    ],
    want: 'a: 1',
    owners: { d: ['.a'] },
  },
  {
    name: 'documentation: a controller that takes over the number of replicas',
    steps: [
      { as: 'kubectl', apply: 'spec: {replicas: 3, image: nginx}' },
      { as: 'hpa', apply: 'spec: {replicas: 3}' },
      { as: 'kubectl', apply: 'spec: {image: nginx}' },
      { as: 'hpa', apply: 'spec: {replicas: 5}' },
    ],
    want: 'spec: {replicas: 5, image: nginx}',
    owners: { hpa: ['.spec.replicas'], kubectl: ['.spec.image'] },
  },
  {
    name: 'finalizers are a set: each owner has its own',
    steps: [
      { as: 'a', apply: 'metadata: {finalizers: [x/a]}' },
      { as: 'b', apply: 'metadata: {finalizers: [x/b]}' },
      { as: 'a', apply: 'metadata: {}' },
    ],
    want: 'metadata: {finalizers: [x/b]}',
    owners: { a: ['.metadata'], b: ['.metadata.finalizers[="x/b"]'] },
  },
  {
    name: 'owner references are told apart by uid',
    steps: [
      { as: 'a', apply: 'metadata: {ownerReferences: [{uid: u1, name: one}]}' },
      { as: 'b', apply: 'metadata: {ownerReferences: [{uid: u2, name: two}]}' },
      {
        as: 'b',
        apply: 'metadata: {ownerReferences: [{uid: u1, name: ein}]}',
        conflicts: ['a .metadata.ownerReferences[uid="u1"].name'],
      },
      { as: 'b', apply: 'metadata: {ownerReferences: [{uid: u2, name: zwei}]}' },
    ],
    want: 'metadata: {ownerReferences: [{uid: u1, name: one}, {uid: u2, name: zwei}]}',
  },
  {
    name: 'labels of several clients live side by side',
    steps: [
      { as: 'a', apply: 'metadata: {labels: {a: "1"}}' },
      { as: 'c', update: 'metadata: {labels: {a: "1", c: "3"}}' },
      { as: 'b', apply: 'metadata: {labels: {b: "2"}}' },
      { as: 'a', apply: 'metadata: {labels: {d: "4"}}' },
    ],
    want: 'metadata: {labels: {c: "3", b: "2", d: "4"}}',
  },
  {
    name: 'applying and updating under one name are two owners',
    steps: [
      { as: 'kubectl', update: 'a: 1' },
      { as: 'kubectl', apply: 'a: 2', conflicts: ['kubectl .a'] },
      { as: 'kubectl', apply: 'a: 1\nb: 1' },
    ],
    want: 'a: 1\nb: 1',
  },
]
for (const { name, steps, want, owners } of cases)
  t.test(name, async (t) => {
    const { live, managers } = run(steps, t)
    t.same(live, document(want))
    if (!owners) return
    const found = [...managers.values()].map(({ manager, fields }) => [manager, pathsOf(fields).toSorted()])
    t.same(Object.fromEntries(found), owners)
  })

t.test('an apply that changes nothing keeps the time, any other sets it', async (t) => {
  const self = owner('d', 'Apply')
  const at = (now: string, live: unknown, managers: Managers, text: string) => {
    const result = apply(live, document(text), managers, self, { now, force: false })
    if (result.conflicts) throw new Error('conflict')
    return result
  }
  const first = at('1', {}, new Map(), 'a: 1')
  const second = at('2', first.document, first.managers, 'a: 1')
  t.equal(second.managers.get(idOf(self))?.time, '1')
  t.strictSame(second, first)
  const third = at('3', second.document, second.managers, 'a: 2')
  t.equal(third.managers.get(idOf(self))?.time, '3')
})
