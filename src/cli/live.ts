import type { Sink } from './output.ts'

/** The last lines of a terminal, redrawn in place. */
export type LiveRegion = {
  /** Shows these lines in the place of those shown before. Each is cut at the terminal's edge. */
  draw(lines: readonly string[]): void
  /** Writes a line that stays, above the region. */
  say(line: string): void
  /** Clears the region and gives the cursor back. */
  end(): void
}

const hideCursor = '\u001b[?25l'
const showCursor = '\u001b[?25h'
/** Without automatic wrapping a line takes one row, however wide its characters are. */
const noWrap = '\u001b[?7l'
const wrap = '\u001b[?7h'
const clearLine = '\u001b[K'
const clearBelow = '\u001b[J'

export function liveRegion(out: Sink): LiveRegion {
  let shown: readonly string[] = []
  let isHidden = false

  const toTop = () => (shown.length > 1 ? `\r\u001b[${shown.length - 1}A` : '\r')
  const frame = (lines: readonly string[]) =>
    lines.length === 0 ? '' : `${noWrap}${lines.map((line) => line + clearLine).join('\r\n')}${wrap}`

  // Each change is one write, so that no terminal shows half of it.
  function draw(lines: readonly string[]): void {
    const rows = out.rows ? out.rows - 1 : 24
    const next = lines.slice(0, rows)
    if (next.length === shown.length && next.every((line, row) => line === shown[row])) return
    out.write(`${isHidden ? '' : hideCursor}${toTop()}${frame(next)}${clearBelow}`)
    isHidden = true
    shown = next
  }

  return {
    draw,
    say: (line) => void out.write(`${toTop()}${clearBelow}${line}\n${frame(shown)}`),
    end: () => {
      if (isHidden) out.write(`${toTop()}${clearBelow}${showCursor}`)
      shown = []
      isHidden = false
    },
  }
}
