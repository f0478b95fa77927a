import type { Expr } from './ast.ts'
import { formatValue } from './format.ts'
import type { Value } from './value.ts'

/** What functions are given and make costs one step for so many characters, or items of lists and maps. */
const unitsPerStep = 256
const itemsPerStep = 32

/** The expression before the last name of `callee`, and that name; `undefined` when `callee` ends in no name. */
export function methodTarget(callee: Expr): { receiver: Expr; name: string } | undefined {
  const { at, end } = callee
  if (callee.type === 'field') {
    const names = callee.names.slice(0, -1)
    const receiver: Expr = names.length === 0 ? { type: 'dot', at, end } : { ...callee, names }
    return { receiver, name: callee.names.at(-1) ?? '' }
  }
  if (callee.type !== 'variable' && callee.type !== 'chain') return undefined
  const name = callee.fields.at(-1)
  if (name === undefined) return undefined
  return { receiver: { ...callee, fields: callee.fields.slice(0, -1) }, name }
}

/** `f .value "literal"` */
export function isValueThenLiteral(args: readonly Expr[]): boolean {
  return args.length === 2 && args[0]?.type !== 'constant' && args[1]?.type === 'constant'
}

/** How messages name what is no function. */
export function expressionName(expr: Expr): string {
  if (expr.type === 'variable') return expr.name
  return expr.type === 'constant' ? formatValue(expr.value) : expr.type
}

/** Steps in proportion to what a function must look at, or has made. */
export function cost(value: Value): number {
  if (typeof value === 'string') return Math.floor(value.length / unitsPerStep)
  const items = Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0
  return Math.floor(items / itemsPerStep)
}
