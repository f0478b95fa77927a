import { ArgumentError, TemplateError } from './limits.ts'
import { GoStruct, typeName } from './value.ts'
import type { Value, ValueMap } from './value.ts'

/** What a parameter takes. `int` arrives as a safe number; `list` and `map` take nil as an empty one. */
export type ArgOf = {
  any: Value
  string: string
  int: number
  float: number
  bool: boolean
  list: Value[]
  map: ValueMap
}
export type ArgType = keyof ArgOf
type Args<P extends readonly ArgType[]> = { -readonly [I in keyof P]: ArgOf[P[I]] }

/** A function of the template language: its parameters, checked before the call, and perhaps any number of others. */
export type Func = {
  params: readonly ArgType[]
  rest: ArgType | undefined
  /** @throws TemplateError */
  call: (args: readonly ArgOf[ArgType][], spend: Spend) => Value
  /** takes the place of this function where it is written `name value "literal"` */
  literalLast?: Func
}

/** Pays for work beyond the length of the arguments; throws when the template has used up its steps. */
export type Spend = (steps: number) => void

export type FuncTable = Readonly<Record<string, Func>>

/** A function of fixed parameters. */
export function fn<const P extends readonly ArgType[]>(
  params: P,
  call: (...args: [...Args<P>, Spend]) => Value,
): Func {
  return {
    params,
    rest: undefined,
    call: (args, spend) => call(...([...args, spend] as unknown as [...Args<P>, Spend])),
  }
}

/** A function that takes any number of arguments of type `rest` after `params`; they arrive as one list. */
export function fnRest<const P extends readonly ArgType[], R extends ArgType>(
  params: P,
  rest: R,
  call: (...args: [...Args<P>, ArgOf[R][], Spend]) => Value,
): Func {
  return {
    params,
    rest,
    call: (args, spend) => {
      const all = [...args.slice(0, params.length), args.slice(params.length), spend]
      return call(...(all as unknown as [...Args<P>, ArgOf[R][], Spend]))
    },
  }
}

/**
 * Calls `func` after checking the number and types of its arguments, as Go does.
 * @throws TemplateError
 */
export function callFunc(func: Func, args: readonly Value[], spend: Spend): Value {
  const { params, rest } = func
  if (args.length < params.length || (rest === undefined && args.length > params.length)) {
    const want = rest === undefined ? String(params.length) : `at least ${params.length}`
    throw new TemplateError(`wrong number of args: want ${want} got ${args.length}`)
  }
  return func.call(
    args.map((arg, i) => checked(arg, params[i] ?? rest ?? 'any', i)),
    spend,
  )
}

function checked(value: Value, type: ArgType, index: number): ArgOf[ArgType] {
  const result = converted(value, type)
  if (result !== undefined) return result
  const found = value === null ? 'nil' : typeName(value)
  throw new ArgumentError(index, `wrong type for value; expected ${type}; got ${found}`)
}

function converted(value: Value, type: ArgType): ArgOf[ArgType] | undefined {
  switch (type) {
    case 'any':
      return value
    case 'string':
      return typeof value === 'string' ? value : undefined
    case 'bool':
      return typeof value === 'boolean' ? value : undefined
    case 'float':
      return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined
    case 'int':
      return safeInteger(value)
    case 'list':
      return value === null ? [] : Array.isArray(value) ? value : undefined
    case 'map':
      if (value instanceof GoStruct) return undefined
      return value === null ? new Map() : value instanceof Map ? value : undefined
  }
}

function safeInteger(value: Value): number | undefined {
  const number = typeof value === 'bigint' || typeof value === 'number' ? Number(value) : undefined
  return Number.isSafeInteger(number) ? number : undefined
}
