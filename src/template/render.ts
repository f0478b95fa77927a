import { AppError } from '../model/error.ts'
import { builtins } from './builtins.ts'
import { evaluate } from './evaluator.ts'
import type { MissingKey } from './evaluator.ts'
import { TemplateFault, appErrorOf } from './fault.ts'
import type { FuncTable } from './func.ts'
import { maxRenderMs, maxSourceLength } from './limits.ts'
import { nonHermeticFunctions } from './outside.ts'
import type { Outside } from './outside.ts'
import { parse } from './parser.ts'
import { defaultFunctions, listFunctions, mapFunctions } from './sprig-data.ts'
import { dateFunctions } from './sprig-date.ts'
import { encodingFunctions } from './sprig-encoding.ts'
import { mathFunctions } from './sprig-math.ts'
import { pathFunctions } from './sprig-path.ts'
import { regexFunctions } from './sprig-regex.ts'
import { semverFunctions } from './sprig-semver.ts'
import { textFunctions } from './sprig-text.ts'
import { urlFunctions } from './sprig-url.ts'
import { wordFunctions } from './sprig-words.ts'
import { tinkerbellFunctions } from './tinkerbell.ts'
import { toValue } from './value.ts'

const sprig: FuncTable = {
  ...textFunctions,
  ...wordFunctions,
  ...regexFunctions,
  ...defaultFunctions,
  ...mathFunctions,
  ...listFunctions,
  ...mapFunctions,
  ...encodingFunctions,
  ...pathFunctions,
  ...urlFunctions,
  ...semverFunctions,
  ...dateFunctions,
}

/** Sprig has a second name for what may fail; here a failure is a fault under either name. */
const withMust = [
  'append',
  'chunk',
  'compact',
  'deepCopy',
  'first',
  'has',
  'initial',
  'last',
  'merge',
  'mergeOverwrite',
  'prepend',
  'push',
  'regexFind',
  'regexFindAll',
  'regexMatch',
  'regexReplaceAll',
  'regexReplaceAllLiteral',
  'regexSplit',
  'rest',
  'reverse',
  'slice',
  'toJson',
  'toPrettyJson',
  'toRawJson',
  'uniq',
  'without',
] as const

const mustFunctions: FuncTable = Object.fromEntries(
  withMust.map((name) => [`must${name[0]?.toUpperCase()}${name.slice(1)}`, sprig[name]!]),
)

/** Every function that templates may call without `templates.allowNonHermetic`. */
export const templateFunctions: FuncTable = {
  ...builtins,
  ...sprig,
  ...mustFunctions,
  ...tinkerbellFunctions,
}

export type RenderOptions = {
  /** what a missing key of a map is: a fault (the default, as in Tinkerbell) or `<no value>` */
  missingKey?: MissingKey
  /** functions added to, or in place of, those of `templateFunctions` */
  functions?: FuncTable
  /** what Sprig's functions on time, chance and environment see; without it they are faults */
  outside?: Outside | undefined
  /** longest time, ms */
  maxMs?: number
}

/**
 * Renders a template of Go's text/template with the functions of Sprig (those that depend on nothing outside) and of
 * Tinkerbell. Output is at most 256 KiB; work and memory are bounded too.
 * @param data JSON-like: objects, arrays, texts, numbers, booleans, null; `GoStruct` for what has Go field names
 * @throws AppError Invalid, message and fault `line:column: what (near …)`, counted from 1
 */
export function render(text: string, data: unknown, options: RenderOptions = {}): string {
  const functions = functionsOf(options)
  const { missingKey = 'error', maxMs = maxRenderMs } = options
  return guarded(text, () => {
    const program = parse(text, (name) => Object.hasOwn(functions, name))
    return evaluate(program, toValue(data), { functions, missingKey, maxMs })
  })
}

function functionsOf({ functions, outside }: RenderOptions): FuncTable {
  return { ...templateFunctions, ...(outside ? nonHermeticFunctions(outside) : {}), ...functions }
}

/**
 * Parses a template, and renders nothing.
 * @throws AppError Invalid, as `render` does
 */
export function checkTemplate(text: string, options: Pick<RenderOptions, 'outside'> = {}): void {
  const functions = functionsOf(options)
  guarded(text, () => parse(text, (name) => Object.hasOwn(functions, name)))
}

function guarded<T>(text: string, work: () => T): T {
  if (text.length > maxSourceLength) {
    throw new AppError(
      'Invalid',
      `template of ${text.length} characters, expected at most ${maxSourceLength}`,
    )
  }
  try {
    return work()
  } catch (error) {
    if (error instanceof TemplateFault) throw appErrorOf(text, error)
    if (error instanceof AppError) throw error
    throw new AppError('Invalid', `template cannot be rendered: ${String(error)}`, { cause: error })
  }
}
