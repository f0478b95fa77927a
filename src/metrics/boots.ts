import type { Registry } from 'prom-client'
import { journeyOf } from '../timeline/journey.ts'
import type { TimelineEntry } from '../timeline/stage.ts'
import { createCounter, createHistogram } from './figures.ts'
import type { MetricsDeps } from './metrics.ts'

/** s */
const boots = [5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600]
const actions = [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600]

/** What machines do, from their timelines. */
export function createBootFigures(registry: Registry, timeline: MetricsDeps['timeline']): void {
  const stages = createCounter(registry, {
    name: 'ironwake_boot_stages_total',
    help: 'Stages that machines came through, as in their timelines.',
    labels: ['stage'],
  })
  const toAgent = createHistogram(
    registry,
    {
      name: 'ironwake_boot_to_agent_seconds',
      help: 'Time from the first DISCOVER of a boot to the first word of its agent.',
    },
    boots,
  )
  const toHome = createHistogram(
    registry,
    {
      name: 'ironwake_boot_to_phone_home_seconds',
      help: 'Time from the first DISCOVER of the boot that installed a machine to its phone-home.',
    },
    boots,
  )
  const action = createHistogram(
    registry,
    {
      name: 'ironwake_action_duration_seconds',
      help: 'Time that actions of Workflows took, by the state they ended in.',
      labels: ['state'],
    },
    actions,
  )
  const ended = createCounter(registry, {
    name: 'ironwake_workflows_ended_total',
    help: 'Workflows that ended, by state.',
    labels: ['state'],
  })
  timeline.subscribe(undefined, (mac, entry) => {
    const { stage, facts } = entry
    stages.add([stage])
    if (stage === 'action-ended') action.observe([textOf(facts['state'])], Number(facts['ms'] ?? 0) / 1000)
    if (stage === 'workflow-ended') ended.add([textOf(facts['state'])])
    if (stage !== 'agent-hello' && stage !== 'phone-home') return
    const took = boundsOf(timeline.entries(mac), entry)
    if (took !== undefined) (stage === 'agent-hello' ? toAgent : toHome).observe([], took / 1000)
  })
}

const textOf = (fact: unknown): string => (typeof fact === 'string' ? fact : 'unknown')

/**
 * How long it took to come to `entry`, if it is the first of its kind in that boot and the boot's beginning was seen.
 * @returns ms
 */
function boundsOf(entries: readonly TimelineEntry[], entry: TimelineEntry): number | undefined {
  if (entry.count > 1) return undefined
  const { boots: all, toAgentMs, toPhoneHomeMs, firstDiscoverAt = 0 } = journeyOf(entries)
  const begin = entries.find(({ at }) => at === firstDiscoverAt)
  if (begin?.stage !== 'dhcp-discover') return undefined
  const mark = entry.stage === 'agent-hello' ? 'agentAt' : 'phoneHomeAt'
  const isFirst = all.some((boot) => boot[mark] === entry.at)
  const took = entry.stage === 'agent-hello' ? toAgentMs : toPhoneHomeMs
  return isFirst && took !== undefined && firstDiscoverAt + took === entry.at ? took : undefined
}
