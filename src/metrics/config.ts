import { Type } from 'typebox'
import type { Static } from 'typebox'

/** The settings of figures for Prometheus, below `metrics`. */
export const MetricsConfig = Type.Object(
  {
    open: Type.Boolean({
      default: false,
      description: 'true shows /metrics of the API port without credentials',
    }),
  },
  { additionalProperties: false },
)

export type MetricsConfig = Static<typeof MetricsConfig>
