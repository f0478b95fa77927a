import type { Fault } from '../model/error.ts'
import { readTest } from './tests.ts'
import type { Test } from './tests.ts'

/** Fields of a rule by name: those below it, or what its value may be. */
export type RuleTree = ReadonlyMap<string, RuleTree | RuleField>
export type RuleField = {
  names: readonly string[]
  /** the names in dots: `cpu.totalCores` */
  path: string
  /** any of them is enough; none: never */
  tests: readonly Test[]
  /** what `exists` says, when that is the test */
  exists: boolean | undefined
}

/** A rule of a WorkflowRuleSet: docs/discovery.md. */
export type Rule = { fields: readonly RuleField[]; tree: RuleTree }

const deepest = 32
const longest = 64 * 1024
const mostFields = 256

export const isField = (node: RuleTree | RuleField): node is RuleField => !(node instanceof Map)

/**
 * @param text JSON, a pattern as Quamina has them
 * @returns the rule, or each fault of it with its place in the pattern ('' is the whole)
 */
export function parseRule(text: string): Rule | { faults: Fault[] } {
  if (text.length > longest) return whole(`longer than ${longest} characters`)
  if (nesting(text) > deepest * 2) return whole(`nested deeper than ${deepest} levels`)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return whole(`not JSON: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
  if (!isObject(json)) return whole('expected a JSON object')
  const fields: RuleField[] = []
  const faults: Fault[] = []
  const tree = readTree(json, [], fields, faults)
  if (fields.length > mostFields) return whole(`${fields.length} fields, more than ${mostFields}`)
  return faults.length > 0 ? { faults } : { fields, tree }
}

const whole = (message: string): { faults: Fault[] } => ({ faults: [{ path: '', message }] })

/** How deep brackets stand in each other, outside of texts. */
function nesting(text: string): number {
  let [depth, most] = [0, 0]
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\[^])*"|[[\]{}]/g)) {
    if (token === '{' || token === '[') most = Math.max(most, ++depth)
    else if (token === '}' || token === ']') depth -= 1
  }
  return most
}

const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === 'object' && json !== null && !Array.isArray(json)

function readTree(
  json: Record<string, unknown>,
  above: readonly string[],
  fields: RuleField[],
  faults: Fault[],
): RuleTree {
  const tree = new Map<string, RuleTree | RuleField>()
  for (const [name, inner] of Object.entries(json)) {
    const path = [...above, name]
    const shown = path.join('.')
    if (path.length > deepest) faults.push({ path: '', message: `nested deeper than ${deepest} levels` })
    else if (isObject(inner)) tree.set(name, readTree(inner, path, fields, faults))
    else if (Array.isArray(inner)) {
      const field = readField(inner, path, faults)
      fields.push(field)
      tree.set(name, field)
    } else {
      const found = JSON.stringify(inner).slice(0, 100)
      faults.push({ path: shown, message: `${found} is not in a list: expected [${found}]` })
    }
  }
  return tree
}

function readField(list: readonly unknown[], names: readonly string[], faults: Fault[]): RuleField {
  const path = names.join('.')
  const tests: Test[] = []
  let exists: boolean | undefined
  for (const [at, json] of list.entries()) {
    const read = readTest(json)
    if ('fault' in read) {
      faults.push({ path: `${path}[${at}]`, message: read.fault })
      continue
    }
    if (read.alone !== undefined && list.length > 1)
      faults.push({ path, message: `"${read.alone}" stands beside other values: expected it alone` })
    tests.push(read.test)
    exists ??= read.exists
  }
  return { names, path, tests, exists }
}
