import type { Logger } from '../log.ts'
import { attributesOf } from '../model/agent-attributes.ts'
import type { AgentAttributes } from '../model/agent-attributes.ts'
import type { Clock } from '../model/clock.ts'
import { isCode } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { Machine } from '../model/machine.ts'
import type { WorkflowRuleSet } from '../model/workflow-rule-set.ts'
import { createObject } from '../store/resource.ts'
import type { Lookup } from '../store/lookup.ts'
import type { Store } from '../store/store.ts'
import type { RecordStage } from '../timeline/stage.ts'
import { choose } from './choose.ts'
import type { Standing } from './choose.ts'
import { attributesText, isDiscovered } from './hardware.ts'
import type { RuleSets } from './rule-sets.ts'
import { enrollmentWorkflow, whyNotEnrolled } from './workflow.ts'

export type EnrollDeps = {
  store: Store
  lookup: Pick<Lookup, 'workflowsForAgent' | 'workflowsForHardware'>
  ruleSets: Pick<RuleSets, 'all'>
  clock: Pick<Clock, 'now'>
  newUid(): string
  record: RecordStage
  log: Pick<Logger, 'info' | 'warn'>
}

/** `enrolled`: a Workflow was made; `none`: rules were asked and none fits; `not`: they were not asked, or made nothing */
export type Verdict = 'enrolled' | 'none' | 'not'

/**
 * Gives a machine the Workflow of the rule set that fits it best, unless it has, or had, one.
 * @param told what the agent said, where that is not in the annotation
 * @throws AppError of the store
 */
export async function enroll(
  deps: EnrollDeps,
  machine: Machine,
  told: AgentAttributes | undefined,
): Promise<Verdict> {
  const { store, lookup, record, log } = deps
  const { namespace, name, agentId, mac } = machine
  const ruleSets = deps.ruleSets.all()
  if (!ruleSets) return 'not'
  const hardware = (await store.get({ kind: 'Hardware', namespace, name })) as Hardware | undefined
  const workflows =
    lookup.workflowsForHardware(namespace, name).length + lookup.workflowsForAgent(agentId).length
  const not = whyNotEnrolled(hardware, workflows)
  if (!hardware || not !== undefined) {
    if (isDiscovered(hardware) && workflows === 0) record(mac, 'not-enrolled', { why: not ?? '' })
    return 'not'
  }
  const attributes = attributesOf(hardware.metadata.annotations) ?? told
  const { chosen, standings } = choose(ruleSets, attributes)
  if (!chosen) {
    record(mac, 'not-enrolled', { why: whyNone(standings) })
    return 'none'
  }
  if (!chosen.spec?.workflow?.template?.ref) {
    record(mac, 'not-enrolled', { why: `WorkflowRuleSet ${titleOf(chosen)} names no Template` })
    return 'not'
  }
  const text = attributes && attributesText(attributes)
  const made = enrollmentWorkflow(chosen, { agentId, hardware, attributesText: text })
  try {
    await createObject(store, made, deps)
  } catch (error) {
    if (!isCode(error, 'AlreadyExists')) throw error
    record(mac, 'not-enrolled', {
      why: `existing workflow found: ${made.metadata.namespace}/${made.metadata.name}`,
    })
    return 'not'
  }
  const { matched, of } = standings[0]!
  const workflow = `${made.metadata.namespace}/${made.metadata.name}`
  const facts = { workflow, ruleSet: titleOf(chosen), matched, rules: of }
  record(mac, 'enrolled', facts)
  log.info({ mac, machine: `${namespace}/${name}`, ...facts }, 'machine enrolled')
  return 'enrolled'
}

const titleOf = ({ metadata: { namespace, name } }: WorkflowRuleSet) => `${namespace}/${name}`

const mostWords = 300

/** The nearest one, and what it failed by. */
function whyNone(standings: readonly Standing[]): string {
  const [first] = standings
  if (!first) return 'there is no WorkflowRuleSet'
  const why = first.faults[0] ?? first.why.flat()[0] ?? 'it has no rules'
  const more = standings.length > 1 ? ` (and ${standings.length - 1} more)` : ''
  return `no WorkflowRuleSet fits: ${first.namespace}/${first.name}: ${why}${more}`.slice(0, mostWords)
}
