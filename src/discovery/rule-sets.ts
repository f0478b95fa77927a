import { isCode } from '../model/error.ts'
import type { KubeObject } from '../model/object.ts'
import type { WorkflowRuleSet } from '../model/workflow-rule-set.ts'
import type { Change, Store } from '../store/store.ts'
import { readRuleSet } from './choose.ts'
import type { ReadRuleSet } from './choose.ts'

const kind = 'WorkflowRuleSet'
const idOf = ({ metadata: { namespace, name } }: KubeObject) => `${namespace}/${name}`

/** The rule sets of all namespaces, kept in step with the store. */
export type RuleSets = {
  /** `undefined` until they are known */
  all(): readonly ReadRuleSet[] | undefined
  /** @param onChange called with each change of the store, once the rule sets are in step with it */
  run(onChange: (change: Change) => void, signal: AbortSignal): Promise<void>
}

export function createRuleSets(store: Pick<Store, 'list' | 'watch'>): RuleSets {
  let known: Map<string, ReadRuleSet> | undefined

  const listAndWatch = async (onChange: (change: Change) => void, signal: AbortSignal) => {
    const { items, version } = await store.list(kind)
    known = new Map(items.map((object) => [idOf(object), readRuleSet(object as WorkflowRuleSet)]))
    for await (const change of store.watch(version, signal)) {
      if (change.type !== 'synced' && change.object.kind === kind) {
        if (change.type === 'delete') known.delete(idOf(change.object))
        else known.set(idOf(change.object), readRuleSet(change.object as WorkflowRuleSet))
      }
      onChange(change)
    }
  }
  return {
    all: () => known && [...known.values()],
    run: async (onChange, signal) => {
      while (!signal.aborted) {
        try {
          await listAndWatch(onChange, signal)
        } catch (error) {
          if (!isCode(error, 'Expired')) throw error
        }
      }
    },
  }
}
