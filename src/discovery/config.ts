import { Type } from 'typebox'
import type { Static } from 'typebox'

const whole = (value: number, [minimum, maximum]: [number, number], description: string) =>
  Type.Integer({ minimum, maximum, default: value, description })

/** The settings of discovery and enrolment, below `discovery`. */
export const DiscoveryConfig = Type.Object(
  {
    enabled: Type.Boolean({
      default: false,
      description:
        'make a Hardware of each unknown machine whose agent calls; unknown machines boot the netboot OS',
    }),
    namespace: Type.String({
      default: 'default',
      pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
      description: 'namespace of that Hardware',
    }),
    maxMachines: whole(
      1000,
      [1, 1_000_000],
      'most Hardware that discovery makes: then unknown agents are refused',
    ),
    perMinute: whole(120, [1, 100_000], 'most machines that are discovered in a minute; others try again'),
    autoEnrollment: Type.Boolean({
      default: false,
      description:
        'give machines whose Hardware allows it the Workflow of the WorkflowRuleSet that fits them best',
    }),
    attributes: Type.Boolean({
      default: true,
      description:
        'annotate Hardware with what the agent says of the machine (tinkerbell.org/agent-attributes)',
    }),
  },
  { additionalProperties: false },
)

export type DiscoveryConfig = Static<typeof DiscoveryConfig>
