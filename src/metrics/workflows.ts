import type { Registry } from 'prom-client'
import type { KubeObject } from '../model/object.ts'
import type { Workflow } from '../model/workflow.ts'
import type { Refill } from '../store/lookup.ts'
import type { Change } from '../store/store.ts'
import { createGauge } from './figures.ts'

/** What is told of every object, as a lookup is. */
export type WorkflowFeed = { refill(): Refill; apply(change: Change): void }

/** Counts Workflows by state as they pass to `feed`. */
export function followWorkflows(registry: Registry): <Feed extends WorkflowFeed>(feed: Feed) => Feed {
  const states = new Map<string, string>()
  createGauge(
    registry,
    { name: 'ironwake_workflows', help: 'Workflows that there are, by state.', labels: ['state'] },
    () => [...counted(states.values())].map(([state, count]) => [[state], count] as const),
  )
  const put = (object: KubeObject) => {
    if (object.kind === 'Workflow') states.set(nameOf(object), stateOf(object as Workflow))
  }
  return (feed) => ({
    ...feed,
    refill() {
      const inner = feed.refill()
      const found: KubeObject[] = []
      return {
        put(objects) {
          found.push(...objects.filter(({ kind }) => kind === 'Workflow'))
          inner.put(objects)
        },
        done() {
          states.clear()
          for (const object of found) put(object)
          inner.done()
        },
      }
    },
    apply(change) {
      if (change.type === 'put') put(change.object)
      if (change.type === 'delete' && change.object.kind === 'Workflow') states.delete(nameOf(change.object))
      feed.apply(change)
    },
  })
}

const nameOf = ({ metadata: { namespace, name } }: KubeObject): string => `${namespace}/${name}`
const stateOf = ({ status }: Workflow): string => status?.state || 'PENDING'

function counted(values: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
