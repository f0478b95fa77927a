import { readFileSync } from 'node:fs'
import t from 'tap'
import { AppError, errorCodes, isCode } from '../../src/model/error.ts'

t.test('docs/errors.md lists exactly the codes of the table', async (t) => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| ([A-Z]\w+) +\| (\d+) +\| (\d+) +\|/gm)]
  const listed = rows.map(
    ([, code, http, grpc]) => [code, { http: Number(http), grpc: Number(grpc) }] as const,
  )
  t.same(Object.fromEntries(listed), errorCodes)
})

t.test('a failure is told by its code', async (t) => {
  const error = new AppError('Conflict', 'it moved on')
  t.ok(isCode(error, 'NotFound', 'Conflict'))
  t.notOk(isCode(error, 'NotFound'))
  t.notOk(isCode(new Error('Conflict'), 'Conflict'))
})
