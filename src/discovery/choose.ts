import type { AgentAttributes } from '../model/agent-attributes.ts'
import type { WorkflowRuleSet } from '../model/workflow-rule-set.ts'
import { explain } from './match.ts'
import { parseRule } from './rule.ts'
import type { Rule } from './rule.ts'

/** A rule set whose rules are read; `faults`: why it counts for nothing. */
export type ReadRuleSet = { ruleSet: WorkflowRuleSet; rules: readonly Rule[]; faults: readonly string[] }

/** How a rule set stands to a machine; `why`: for each rule what it failed by, nothing for one that matches. */
export type Standing = {
  namespace: string
  name: string
  matched: number
  of: number
  faults: readonly string[]
  why: readonly (readonly string[])[]
}
export type Choice = { chosen: WorkflowRuleSet | undefined; standings: readonly Standing[] }

export function readRuleSet(ruleSet: WorkflowRuleSet): ReadRuleSet {
  const read = (ruleSet.spec?.rules ?? []).map(parseRule)
  const faults = read.flatMap((rule, at) =>
    'faults' in rule
      ? rule.faults.map(({ path, message }) => `rules[${at}]${path && ` ${path}`}: ${message}`)
      : [],
  )
  return { ruleSet, rules: read.flatMap((rule) => ('faults' in rule ? [] : [rule])), faults }
}

/**
 * The rule set of which most rules match, if any does; of equal ones the oldest, then the first by namespace and name.
 * One with a rule that cannot be read counts for nothing.
 */
export function choose(ruleSets: readonly ReadRuleSet[], attributes: AgentAttributes | undefined): Choice {
  const standings = ruleSets.map((read) => ({
    ruleSet: read.ruleSet,
    standing: standingOf(read, attributes),
  }))
  standings.sort((a, b) => b.standing.matched - a.standing.matched || compareAge(a.ruleSet, b.ruleSet))
  const [first] = standings
  return {
    chosen: first && first.standing.matched > 0 ? first.ruleSet : undefined,
    standings: standings.map(({ standing }) => standing),
  }
}

function standingOf(
  { ruleSet, rules, faults }: ReadRuleSet,
  attributes: AgentAttributes | undefined,
): Standing {
  const { namespace, name } = ruleSet.metadata
  const of = ruleSet.spec?.rules?.length ?? 0
  if (faults.length > 0) return { namespace, name, matched: 0, of, faults, why: [] }
  const why = rules.map((rule) =>
    attributes ? explain(rule, attributes) : ['nothing is known of the machine'],
  )
  return { namespace, name, matched: why.filter((lines) => lines.length === 0).length, of, faults, why }
}

function compareAge({ metadata: a }: WorkflowRuleSet, { metadata: b }: WorkflowRuleSet): number {
  return (
    compare(a.creationTimestamp ?? '', b.creationTimestamp ?? '') ||
    compare(a.namespace, b.namespace) ||
    compare(a.name, b.name)
  )
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
