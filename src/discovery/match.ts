import { isField } from './rule.ts'
import type { Rule, RuleField, RuleTree } from './rule.ts'
import type { Leaf } from './tests.ts'

/** Lists within lists that are looked into. */
const deepestLists = 32

/**
 * Whether the rule holds for `event`: each of its fields is there with a value that it allows, and fields of one list are
 * all found in one element of it. `{"exists": false}` holds when no element has the field. A rule without fields holds
 * for nothing.
 */
export function matches(rule: Rule, event: unknown): boolean {
  if (rule.fields.length === 0 || !isObject(event)) return false
  const absent = rule.fields.filter(({ exists }) => exists === false)
  return absent.every(({ names }) => leavesAt(event, names).length === 0) && below(rule.tree, event, 0)
}

/** Why a rule does not hold, a line for each field that fails by itself; nothing when it holds. */
export function explain(rule: Rule, event: unknown): string[] {
  if (matches(rule, event)) return []
  if (rule.fields.length === 0) return ['the rule names no field, so that it matches nothing']
  const failing = rule.fields.flatMap((field) => failureOf(field, leavesAt(event, field.names)))
  if (failing.length > 0) return failing
  return ['each field is found, but not all of them in one element of the same list']
}

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether everything that is asked for below a node is there. */
function below(tree: RuleTree, node: unknown, lists: number): boolean {
  if (isOnlyAbsence(tree)) return true
  if (Array.isArray(node)) return lists < deepestLists && node.some((item) => below(tree, item, lists + 1))
  if (!isObject(node)) return false
  for (const [name, wanted] of tree) {
    const value = Object.hasOwn(node, name) ? node[name] : undefined
    if (!(isField(wanted) ? holds(wanted, value, 0) : below(wanted, value, 0))) return false
  }
  return true
}

/** Whether nothing is asked for but what must not be there, which is looked at apart. */
const isOnlyAbsence = (tree: RuleTree): boolean =>
  [...tree.values()].every((wanted) => (isField(wanted) ? wanted.exists === false : isOnlyAbsence(wanted)))

function holds(field: RuleField, value: unknown, lists: number): boolean {
  if (field.exists === false) return true
  if (Array.isArray(value)) return lists < deepestLists && value.some((item) => holds(field, item, lists + 1))
  if (value === undefined || isObject(value)) return false
  return field.tests.some((test) => test.passes(value as Leaf))
}

const mostShown = 5
const mostLeaves = 10_000

/** Every value at a path; lists on the way, and at its end, are looked through. */
function leavesAt(event: unknown, names: readonly string[]): Leaf[] {
  const found: Leaf[] = []
  const walk = (node: unknown, at: number, lists: number) => {
    if (found.length >= mostLeaves || lists > deepestLists) return
    if (Array.isArray(node)) for (const item of node) walk(item, at, lists + 1)
    else if (at === names.length) {
      if (node !== undefined && !isObject(node)) found.push(node as Leaf)
    } else if (isObject(node) && Object.hasOwn(node, names[at]!)) walk(node[names[at]!], at + 1, 0)
  }
  walk(event, 0, 0)
  return found
}

function failureOf({ path, tests, exists }: RuleField, found: readonly Leaf[]): string[] {
  const shown = found.slice(0, mostShown).map((value) => JSON.stringify(value).slice(0, 80))
  const more = found.length > mostShown ? ` and ${found.length - mostShown} more` : ''
  const values = shown.length > 0 ? `${shown.join(', ')}${more}` : 'nothing'
  if (exists === false)
    return found.length > 0 ? [`${path}: found ${values}, expected that it is absent`] : []
  if (found.some((value) => tests.some((test) => test.passes(value)))) return []
  const expected =
    tests.length > 0 ? tests.map(({ text }) => text).join(' or ') : 'nothing: its list is empty'
  return [`${path}: found ${values}, expected ${expected}`]
}
