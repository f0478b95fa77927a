import t from 'tap'
import { liveRegion } from '../../src/cli/live.ts'

/** What a terminal of so many rows shows after these bytes, as far as the sequences that are used go. */
function screenOf(written: string): { rows: string[]; cursorHidden: boolean; wraps: boolean } {
  const rows: string[] = ['']
  let [row, column, cursorHidden, wraps] = [0, 0, false, true]
  const put = (char: string) => {
    const text = (rows[row] ?? '').padEnd(column)
    rows[row] = text.slice(0, column) + char + text.slice(column + 1)
    column++
  }
  // oxlint-disable-next-line no-control-regex
  for (const [piece] of written.matchAll(/\u001b\[\??\d*[A-Za-z]|[^]/g)) {
    if (piece === '\r') column = 0
    else if (piece === '\n') [row, column] = [row + 1, 0]
    else if (piece === '\u001b[K') rows[row] = (rows[row] ?? '').slice(0, column)
    else if (piece === '\u001b[J') {
      rows[row] = (rows[row] ?? '').slice(0, column)
      rows.splice(row + 1)
    } else if (piece === '\u001b[?25l') cursorHidden = true
    else if (piece === '\u001b[?25h') cursorHidden = false
    else if (piece === '\u001b[?7l') wraps = false
    else if (piece === '\u001b[?7h') wraps = true
    else if (/^\u001b\[\d+A$/.test(piece)) row -= Number.parseInt(piece.slice(2))
    else if (piece.startsWith('\u001b')) throw new Error(`unknown sequence ${JSON.stringify(piece)}`)
    else put(piece)
    while (rows.length <= row) rows.push('')
  }
  return { rows, cursorHidden, wraps }
}

const terminal = (rows = 24) => {
  const writes: string[] = []
  const region = liveRegion({ write: (text) => writes.push(text), isTTY: true, columns: 80, rows })
  return { region, writes, screen: () => screenOf(writes.join('')) }
}

t.test('lines are redrawn in place and leave nothing of longer ones', async (t) => {
  const { region, screen } = terminal()
  region.draw(['a long first line', 'b'])
  region.draw(['short', 'bb'])
  t.same(screen(), { rows: ['short', 'bb'], cursorHidden: true, wraps: true })
  region.draw(['one'])
  t.same(screen().rows, ['one'])
  region.draw(['one', 'two', 'three'])
  t.same(screen().rows, ['one', 'two', 'three'])
})

t.test('a line that is said stays above', async (t) => {
  const { region, screen } = terminal()
  region.say('before')
  region.draw(['bar 1', 'bar 2'])
  region.say('event')
  t.same(screen().rows, ['before', 'event', 'bar 1', 'bar 2'])
  region.draw([])
  region.say('last')
  t.same(screen().rows, ['before', 'event', 'last', ''])
})

t.test('the end clears the region and gives the cursor back', async (t) => {
  const { region, screen, writes } = terminal()
  region.draw(['bar'])
  region.end()
  t.same(screen(), { rows: [''], cursorHidden: false, wraps: true })
  const count = writes.length
  region.end()
  t.equal(writes.length, count, 'once')
})

t.test('each change is one write, no change is none', async (t) => {
  const { region, writes } = terminal()
  region.draw(['a', 'b'])
  region.draw(['a', 'b'])
  region.say('x')
  t.equal(writes.length, 2)
})

t.test('the region never fills the whole terminal', async (t) => {
  const { region, screen } = terminal(5)
  region.draw(['1', '2', '3', '4', '5', '6'])
  t.same(screen().rows, ['1', '2', '3', '4'])
})

t.end()
