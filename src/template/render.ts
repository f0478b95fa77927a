import { AppError } from '../model/error.ts'
import { builtins } from './builtins.ts'
import { evaluate } from './evaluator.ts'
import type { MissingKey } from './evaluator.ts'
import { TemplateFault, appErrorOf } from './fault.ts'
import type { FuncTable } from './func.ts'
import { maxSourceLength } from './limits.ts'
import { parse } from './parser.ts'
import { defaultFunctions, listFunctions, mapFunctions, numberFunctions } from './sprig-data.ts'
import { regexFunctions } from './sprig-regex.ts'
import { textFunctions } from './sprig-text.ts'
import { tinkerbellFunctions } from './tinkerbell.ts'
import { toValue } from './value.ts'

/** Every function that templates may call. */
export const templateFunctions: FuncTable = {
  ...builtins,
  ...textFunctions,
  ...regexFunctions,
  ...defaultFunctions,
  ...numberFunctions,
  ...listFunctions,
  ...mapFunctions,
  ...tinkerbellFunctions,
}

export type RenderOptions = {
  /** what a missing key of a map is: a fault (the default, as in Tinkerbell) or `<no value>` */
  missingKey?: MissingKey
  /** functions added to, or in place of, those of `templateFunctions` */
  functions?: FuncTable
}

/**
 * Renders a template of Go's text/template with the functions of Sprig (those that depend on nothing outside) and of
 * Tinkerbell. Output is at most 256 KiB; work and memory are bounded too.
 * @param data JSON-like: objects, arrays, texts, numbers, booleans, null; `GoStruct` for what has Go field names
 * @throws AppError Invalid, message and fault `line:column: what (near …)`, counted from 1
 */
export function render(text: string, data: unknown, options: RenderOptions = {}): string {
  const functions = { ...templateFunctions, ...options.functions }
  return guarded(text, () => {
    const program = parse(text, (name) => Object.hasOwn(functions, name))
    return evaluate(program, toValue(data), functions, options.missingKey ?? 'error')
  })
}

/**
 * Parses a template, and renders nothing.
 * @throws AppError Invalid, as `render` does
 */
export function checkTemplate(text: string): void {
  guarded(text, () => parse(text, (name) => Object.hasOwn(templateFunctions, name)))
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
