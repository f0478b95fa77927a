import { Type } from 'typebox'
import type { Static } from 'typebox'

/** The settings of OpenTelemetry, below `otlp`. */
export const OtlpConfig = Type.Object(
  {
    endpoint: Type.String({
      default: '',
      pattern: '^(https?://[^/\\s]+(/\\S*)?)?$',
      description:
        'collector that gets a trace of every boot by OTLP/HTTP, such as http://host:4318; default: none',
    }),
  },
  { additionalProperties: false },
)

export type OtlpConfig = Static<typeof OtlpConfig>
