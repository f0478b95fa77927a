import t from 'tap'
import { createReader } from '../../src/workflow/reader.ts'

const text = (name: string, filler = '') =>
  `version: "0.1"\nname: ${name}\nglobal_timeout: 60\ntasks:\n  - name: t\n    worker: w\n    actions: []\n# ${filler}\n`

t.test('what was read is remembered, and what is wrong is said each time', async (t) => {
  const read = createReader()
  const first = read(text('a'))
  t.equal(first.name, 'a')
  t.equal(read(text('a')), first)
  t.not(read(text('b')), first)
  for (let times = 0; times < 2; times++) t.throws(() => read('tasks: 1'), { code: 'Invalid' })
})

t.test('no more is remembered than its bound', async (t) => {
  const read = createReader()
  const first = read(text('a'))
  const megabyte = 'x'.repeat(1 << 20)
  for (let at = 0; at < 5; at++) read(text(`n${at}`, megabyte))
  t.not(read(text('a')), first)
})
