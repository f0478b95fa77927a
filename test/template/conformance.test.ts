import { readFileSync } from 'node:fs'
import t from 'tap'
import { AppError } from '../../src/model/error.ts'
import { nonHermeticNames } from '../../src/template/outside.ts'
import { render, templateFunctions } from '../../src/template/render.ts'
import { GoStruct } from '../../src/template/value.ts'
import type { Value } from '../../src/template/value.ts'

type Recorded = {
  data: Record<string, unknown>
  /** names of Sprig's functions */
  sprig: string[]
  cases: { area: string; text: string; want: string }[]
  /** `go` is Go's message, `message` ours */
  faults: { text: string; go: string; message: string }[]
}

const recorded = JSON.parse(readFileSync(new URL('conformance.json', import.meta.url), 'utf8')) as Recorded
const data = { ...recorded.data, struct: outer() }

/** A Go struct as the recording program has it: `json` names beside Go's, nil pointers, nested structs. */
function outer(): GoStruct {
  const struct = (type: string, fields: [name: string, json: string, value: Value][]) =>
    new GoStruct(type, new Map(fields.map(([name, json, value]) => [name, { json, value }])))
  const inner = (name: string, port: bigint) =>
    struct('main.Inner', [
      ['Name', 'name', name],
      ['Port', 'port', port],
    ])
  return struct('main.Outer', [
    ['ID', 'id', 'o1'],
    ['Tags', 'tags', ['x', 'y']],
    ['In', 'in', inner('n', 7n)],
    ['Nil', 'nil', null],
    ['On', 'on', false],
    ['List', 'list', [inner('a', 1n), inner('b', 2n)]],
  ])
}

for (const [area, cases] of byArea(recorded.cases))
  t.test(`${area}: as Go renders it`, async (t) => {
    for (const { text, want } of cases) t.equal(rendered(text), want, text)
  })

t.test('what Go refuses is a fault with line, column and the failing expression', async (t) => {
  for (const { text, go, message } of recorded.faults) {
    const found = faultOf(text)
    t.equal(found, message, text)
    t.match(found, /^\d+:\d+: /, text)
    t.equal(found.split(':')[0], go.split(':')[0], `line of ${text}`)
  }
})

t.test("every function of Sprig's index is there, or is switched off by name", async (t) => {
  for (const name of recorded.sprig)
    t.ok(Object.hasOwn(templateFunctions, name) !== nonHermeticNames.has(name), name)
})

t.test('every function has a case', async (t) => {
  const texts = [...recorded.cases, ...recorded.faults].map(({ text }) => text).join('\n')
  const missing = Object.keys(templateFunctions).filter((name) => !new RegExp(`\\b${name}\\b`).test(texts))
  // What Sprig 3.2.3 or Go 1.19 do not have is in conformance-more.test.ts.
  t.same(missing.sort(), ['netmaskToCIDR', 'sha512sum'])
})

function byArea(cases: readonly Recorded['cases'][number][]) {
  const areas = new Map<string, Recorded['cases']>()
  for (const one of cases) areas.set(one.area, [...(areas.get(one.area) ?? []), one])
  return areas
}

function rendered(text: string): string {
  try {
    return render(text, data)
  } catch (error) {
    return `fault: ${(error as Error).message}`
  }
}

function faultOf(text: string): string {
  try {
    return `no fault: ${render(text, data)}`
  } catch (error) {
    if (error instanceof AppError && error.code === 'Invalid') return error.message
    throw error
  }
}
