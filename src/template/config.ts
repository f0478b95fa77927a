import { Type } from 'typebox'

/** What templates of Workflows may do. */
export const TemplatesConfig = Type.Object(
  {
    allowNonHermetic: Type.Boolean({
      default: false,
      description:
        'templates may also call now, date, randAlphaNum, uuidv4, env, genPrivateKey and their like',
    }),
  },
  { additionalProperties: false },
)
