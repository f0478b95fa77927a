import { RegexpFault, parseRegexp } from './regexp-parse.ts'
import type { CharSet, RegexpNode } from './regexp-parse.ts'

/** Whether the whole of a text is of the expression. */
export type Regexp = (text: string) => boolean

/** A state goes on to `next` with a character of `set`, or to each of `free` without one. */
type State = { set: CharSet | undefined; next: number; free: number[] }

const mostStates = 5000
/** Parts that are gone through while it is made: also those that need no state, such as `()`. */
const mostSteps = 50_000

/** Makes the states of one expression. */
type Making = { states: State[]; add(state: Partial<State>): number; steps: number }

/**
 * An I-Regexp as a machine whose time grows with the text, whatever the expression: nothing is tried twice.
 * @throws RegexpFault, also for one that needs more than 5000 states
 */
export function compileRegexp(text: string): Regexp {
  const states: State[] = []
  const add = (state: Partial<State>): number => {
    if (states.length >= mostStates) throw new RegexpFault(0, `it needs more than ${mostStates} states`)
    return states.push({ set: undefined, next: -1, free: [], ...state }) - 1
  }
  const end = add({})
  const start = build({ states, add, steps: 0 }, parseRegexp(text), end)
  return (found) => run(states, start, end, found)
}

/** @returns the state that begins `node`, from which `then` follows */
function build(making: Making, node: RegexpNode, then: number): number {
  if (++making.steps > mostSteps) throw new RegexpFault(0, `it needs more than ${mostStates} states`)
  switch (node.kind) {
    case 'char':
      return making.add({ set: node.set, next: then })
    case 'all':
      return node.parts.reduceRight((next, part) => build(making, part, next), then)
    case 'any':
      return making.add({ free: node.parts.map((part) => build(making, part, then)) })
    case 'repeat':
      return repeat(making, node, then)
  }
}

function repeat(making: Making, node: RegexpNode & { kind: 'repeat' }, then: number): number {
  const { part, least, most } = node
  let next = then
  if (most === undefined) {
    next = making.add({ free: [then] })
    making.states[next]!.free.push(build(making, part, next))
  }
  for (let at = least; at < (most ?? least); at++)
    next = making.add({ free: [then, build(making, part, next)] })
  for (let at = 0; at < least; at++) next = build(making, part, next)
  return next
}

function run(states: readonly State[], start: number, end: number, text: string): boolean {
  let here = reach(states, [start])
  for (const char of text) {
    const next: number[] = []
    for (const at of here) {
      const { set, next: then } = states[at]!
      if (set && has(set, char)) next.push(then)
    }
    if (next.length === 0) return false
    here = reach(states, next)
  }
  return here.has(end)
}

/** All states that are reached without a character. */
function reach(states: readonly State[], from: readonly number[]): Set<number> {
  const found = new Set(from)
  for (const at of found) for (const free of states[at]!.free) found.add(free)
  return found
}

function has({ spans, properties, not }: CharSet, char: string): boolean {
  const point = char.codePointAt(0)!
  const isIn =
    spans.some(([from, to]) => from <= point && point <= to) ||
    properties.some((property) => property.test(char))
  return isIn !== not
}
