import t from 'tap'
import { ownerNameLabel } from '../../src/model/hardware.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import { bootTarget, provisionedAnnotation } from '../../src/boot/target.ts'
import type { BootTarget } from '../../src/boot/target.ts'
import { machineOf, workflowOf } from './things.ts'

const plain = machineOf()
const noPxe = machineOf({ allowPxe: false })
const withUrl = machineOf({ ipxe: { url: 'http://x/y', contents: 'echo hi', binary: undefined } })
const withContents = machineOf({ ipxe: { url: undefined, contents: 'echo hi', binary: undefined } })
const scriptUrl = 'http://192.0.2.9/boot.ipxe'
const withScript = (changes: Partial<typeof plain.instance> = {}) =>
  machineOf({ instance: { scriptUrl, alwaysPxe: false, isActive: false, ...changes } })
const instanceScript: BootTarget = { kind: 'custom', why: 'instance-script', url: scriptUrl }
const withText = (changes: Partial<typeof plain.instance> = {}) =>
  withScript({ scriptUrl: undefined, scriptText: '#!ipxe\nshell\n', ...changes })
const ownScript: BootTarget = { kind: 'custom', why: 'instance-userdata', contents: '#!ipxe\nshell\n' }
const owned = { [ownerNameLabel]: 'cluster-1' }
const provisioned = { [provisionedAnnotation]: 'true' }
const agent = (name: string): BootTarget => ({
  kind: 'agent',
  why: 'workflow-waits',
  workflow: `default/${name}`,
})
const disk = (why: 'netboot-not-allowed' | 'installed' | 'nothing-to-do', thenAgent = false): BootTarget => ({
  kind: 'disk',
  why,
  thenAgent,
})

type Case = {
  name: string
  machine?: typeof plain
  workflows?: Workflow[]
  labels?: Record<string, string>
  annotations?: Record<string, string>
  want: BootTarget
}
const waiting = [undefined, '', 'PREPARING', 'PENDING', 'RUNNING']
const ended = ['FAILED', 'TIMEOUT']

const cases: Case[] = [
  ...waiting.map((state) => ({
    name: `a Workflow in state ${JSON.stringify(state)} waits for the machine`,
    workflows: [workflowOf('w1', state)],
    want: agent('w1'),
  })),
  ...ended.map((state) => ({
    name: `a Workflow that ended ${state} does not install again`,
    workflows: [workflowOf('w1', state)],
    want: disk('nothing-to-do'),
  })),
  {
    name: 'a Workflow in POST is done with the machine',
    workflows: [workflowOf('w1', 'POST')],
    want: disk('nothing-to-do'),
  },
  { name: 'user data that is a script is booted by a new machine', machine: withText(), want: ownScript },
  {
    name: 'user data that is a script is booted once',
    machine: withText({ isActive: true }),
    want: disk('nothing-to-do', true),
  },
  {
    name: 'user data that is a script is booted every time with always_pxe',
    machine: withText({ isActive: true, alwaysPxe: true }),
    workflows: [workflowOf('w1', 'SUCCESS')],
    want: ownScript,
  },
  {
    name: 'the URL of a script comes before user data that is one',
    machine: withText({ scriptUrl }),
    want: instanceScript,
  },
  {
    name: 'the script of an instance is booted by a new machine',
    machine: withScript(),
    want: instanceScript,
  },
  {
    name: 'the script of an instance is booted once: an active machine boots its disk',
    machine: withScript({ isActive: true }),
    want: disk('nothing-to-do', true),
  },
  {
    name: 'the script of an instance is booted once: not after Cluster API has provisioned',
    machine: withScript(),
    labels: owned,
    annotations: provisioned,
    want: disk('installed'),
  },
  {
    name: 'the script of an instance with always_pxe is booted every time',
    machine: withScript({ isActive: true, alwaysPxe: true }),
    workflows: [workflowOf('w1', 'SUCCESS')],
    want: instanceScript,
  },
  {
    name: 'a Workflow comes before the script of an instance',
    machine: withScript({ alwaysPxe: true }),
    workflows: [workflowOf('w1', 'PENDING')],
    want: agent('w1'),
  },
  {
    name: 'a machine that may not netboot does not boot the script of its instance',
    machine: machineOf({ ...withScript({ alwaysPxe: true }), allowPxe: false }),
    want: disk('netboot-not-allowed'),
  },
  {
    name: 'an installed machine boots its disk and nothing after it',
    workflows: [workflowOf('w1', 'SUCCESS')],
    want: disk('installed'),
  },
  {
    name: 'a new Workflow after an ended one is served',
    workflows: [workflowOf('w1', 'SUCCESS'), workflowOf('w2', 'PENDING')],
    want: agent('w2'),
  },
  {
    name: 'the oldest waiting Workflow is served first',
    workflows: [workflowOf('w1', 'FAILED'), workflowOf('w2', ''), workflowOf('w3', 'RUNNING')],
    want: agent('w2'),
  },
  {
    name: 'the last Workflow tells whether the machine is installed',
    workflows: [workflowOf('w1', 'SUCCESS'), workflowOf('w2', 'FAILED')],
    want: disk('nothing-to-do'),
  },
  {
    name: 'a disabled Workflow does not call for the netboot OS',
    workflows: [workflowOf('w1', '', true)],
    want: disk('nothing-to-do'),
  },
  {
    name: 'a Workflow disabled while it runs goes on',
    workflows: [workflowOf('w1', 'RUNNING', true)],
    want: agent('w1'),
  },
  {
    name: 'a machine without any Workflow waits in the netboot OS when its disk is blank',
    want: disk('nothing-to-do', true),
  },
  {
    name: 'a machine that a cluster owns and has provisioned is installed',
    labels: owned,
    annotations: provisioned,
    want: disk('installed'),
  },
  {
    name: 'an owned machine that is not provisioned yet may still wait for work',
    labels: owned,
    want: disk('nothing-to-do', true),
  },
  {
    name: 'a machine that its owner released may wait for work',
    annotations: provisioned,
    want: disk('nothing-to-do', true),
  },
  {
    name: 'a machine that may not netboot boots its disk, Workflow or not',
    machine: noPxe,
    workflows: [workflowOf('w1', 'PENDING')],
    want: disk('netboot-not-allowed'),
  },
  {
    name: 'a script URL in the Hardware wins over contents and over the agent',
    machine: withUrl,
    workflows: [workflowOf('w1', 'PENDING')],
    want: { kind: 'custom', why: 'ipxe-url', url: 'http://x/y' },
  },
  {
    name: 'a script in the Hardware wins over the agent',
    machine: withContents,
    workflows: [workflowOf('w1', 'PENDING')],
    want: { kind: 'custom', why: 'ipxe-contents', contents: 'echo hi' },
  },
  {
    name: 'a script in the Hardware does not run where netboot is not allowed',
    machine: { ...withContents, allowPxe: false },
    want: disk('netboot-not-allowed'),
  },
]

for (const { name, want, machine = plain, workflows = [], labels, annotations } of cases)
  t.test(name, async (t) => t.strictSame(bootTarget({ machine, workflows, labels, annotations }), want))
