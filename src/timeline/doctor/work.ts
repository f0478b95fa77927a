import { parseMac } from '../../model/mac.ts'
import type { Workflow } from '../../model/workflow.ts'
import type { Evidence } from './case.ts'
import type { Look } from './look.ts'
import { textOf } from './read.ts'
import { fact, saw, sawAll } from './rule.ts'
import type { Rule } from './rule.ts'

const waitingStates: readonly string[] = ['', 'PREPARING', 'PENDING', 'RUNNING']

export const stateOf = ({ status }: Workflow): string => (status?.state ?? '').replace(/^STATE_/, '')
const titleOf = ({ metadata }: Workflow): string => `${metadata.namespace}/${metadata.name}`

/** The Workflow that the machine should work on next. */
export const waiting = ({ workflows }: Look): Workflow | undefined =>
  workflows.find((workflow) => waitingStates.includes(stateOf(workflow)))

export const newest = ({ workflows }: Look): Workflow | undefined => workflows.at(-1)

const notAllowed: Rule = (look) => {
  const said = look.ever('boot-script')
  const wasRefused = said !== undefined && textOf(said.facts, 'why') === 'netboot-not-allowed'
  const workflow = waiting(look)
  if (!look.machine || look.machine.allowPxe || !workflow) return undefined
  return {
    cause: 'netboot-not-allowed',
    weight: wasRefused ? 95 : 78,
    title: 'its Hardware does not allow network boot, so it boots its own disk',
    evidence: [
      ...(wasRefused ? [saw(said)] : []),
      fact(`spec.interfaces[].netboot.allowPXE is not true, and Workflow ${titleOf(workflow)} waits`),
    ],
    todo: [
      'set netboot.allowPXE to true for this interface',
      'or bootOptions.toggleAllowNetboot in the Workflow',
    ],
  }
}

const isAtWork = (look: Look): boolean => {
  const hello = look.ever('agent-hello')
  return (
    hello !== undefined &&
    hello.lastAt > (look.ever(['agent-lost', 'metadata', 'phone-home'])?.lastAt ?? 0) &&
    look.boot.length === 0
  )
}

const noWorkflow: Rule = (look) => {
  const script = look.ever('boot-script')
  const idle = script !== undefined && textOf(script.facts, 'why') === 'nothing-to-do'
  if (!look.machine || look.workflows.length > 0 || !(idle || isAtWork(look))) return undefined
  return {
    cause: 'no-workflow',
    weight: 82,
    title: 'it is here, and no Workflow names its Hardware',
    evidence: [
      ...sawAll(idle ? script : look.ever('agent-hello')),
      fact(`spec.hardwareRef: ${look.machine.name} is in no Workflow of namespace ${look.machine.namespace}`),
    ],
    todo: [
      'create a Workflow in the namespace of the Hardware, with its name as spec.hardwareRef',
      'with Cluster API: does a TinkerbellMachine select this Hardware (labels, hardwareAffinity)?',
    ],
  }
}

const disabled: Rule = (look) => {
  const workflow = waiting(look)
  if (workflow?.spec?.disabled !== true || stateOf(workflow) === 'RUNNING') return undefined
  return {
    cause: 'workflow-disabled',
    weight: look.seen.length > 0 ? 90 : 50,
    title: `Workflow ${titleOf(workflow)} is disabled`,
    evidence: [fact('spec.disabled is true')],
    todo: ['set spec.disabled to false'],
  }
}

/** What the Workflow itself says about its trouble. */
function messages({ status }: Workflow): Evidence[] {
  const told = (status?.conditions ?? []).filter(({ message, status: is }) => message && is !== 'True')
  return told.slice(-2).map(({ type, message }) => fact(`condition ${type}: ${message}`))
}

const notRendered: Rule = (look) => {
  const workflow = waiting(look) ?? newest(look)
  if (!workflow || workflow.status?.templateRendering !== 'failed') return undefined
  return {
    cause: 'workflow-not-rendered',
    weight: 93,
    title: `Workflow ${titleOf(workflow)} cannot be made of its Template`,
    evidence: [fact('status.templateRendering is failed'), ...messages(workflow)],
    todo: ['mend the Template or the values in spec.hardwareMap'],
  }
}

const otherAgent: Rule = (look) => {
  const workflow = waiting(look)
  const hello = look.ever('agent-hello')
  if (!workflow || !hello || !isAtWork(look) || stateOf(workflow) === 'RUNNING') return undefined
  const wanted = workflow.status?.agentID
  const is = textOf(hello.facts, 'agent')
  if (!wanted || !is || spelled(wanted) === spelled(is)) return undefined
  return {
    cause: 'workflow-other-agent',
    weight: 91,
    title: `Workflow ${titleOf(workflow)} waits for agent ${wanted}, and the machine's agent is ${is}`,
    evidence: [saw(hello), fact(`status.agentID is ${wanted}`)],
    todo: [
      'give the Workflow the MAC that the machine boots from (spec.hardwareMap), or set spec.agentID in the Hardware',
    ],
  }
}

const spelled = (agent: string): string => parseMac(agent) ?? agent

/** The action that ended the run, as the Workflow has it. */
function culprit({ status }: Workflow): Evidence[] {
  const actions = (status?.tasks ?? []).flatMap((task) => task.actions)
  const action =
    actions.find(({ state }) => /FAILED|TIMEOUT/.test(state)) ??
    actions.find(({ state }) => /RUNNING/.test(state))
  return action
    ? [fact(`action "${action.name}": ${action.state}${action.message ? `, ${action.message}` : ''}`)]
    : []
}

const ended =
  (state: 'FAILED' | 'TIMEOUT'): Rule =>
  (look) => {
    const workflow = newest(look)
    if (
      !workflow ||
      stateOf(workflow) !== state ||
      waiting(look) ||
      workflow.status?.templateRendering === 'failed'
    )
      return undefined
    const { namespace, name } = workflow.metadata
    return {
      cause: state === 'FAILED' ? 'workflow-failed' : 'workflow-timeout',
      weight: 94,
      title: `Workflow ${titleOf(workflow)} ${state === 'FAILED' ? 'failed' : 'ran out of time'}`,
      evidence: [...culprit(workflow), ...messages(workflow), ...sawAll(look.ever('workflow-ended'))],
      todo: [
        `\`ironwake workflow logs ${name} -n ${namespace}\` shows what its actions said`,
        ...(state === 'TIMEOUT'
          ? ['give the action or the Template a longer timeout if it was at work to the end']
          : []),
        'a Workflow that has ended is not repeated: create a new one',
      ],
    }
  }

/** What may be wrong with the Workflow. */
export const workRules: readonly Rule[] = [
  notAllowed,
  notRendered,
  ended('FAILED'),
  ended('TIMEOUT'),
  otherAgent,
  disabled,
  noWorkflow,
]
