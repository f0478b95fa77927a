import { readFileSync } from 'node:fs'
import t from 'tap'
import { causes } from '../../src/timeline/doctor/case.ts'
import { stages } from '../../src/timeline/stage.ts'

/** The names in the first column of a page's tables. */
function named(page: string): string[] {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  return [...text.matchAll(/^\| `([a-z-]+)` /gm)].map(([, name]) => name!)
}

t.test('docs/timeline.md has every stage, in order, and no other', async (t) => {
  t.same(named('timeline.md'), stages)
})

t.test('docs/doctor.md has every cause and no other', async (t) => {
  t.same(named('doctor.md').toSorted(), [...causes].toSorted())
})
