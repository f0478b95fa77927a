/** Where a command writes; tests pass their own. A terminal says how large it is. */
export type Sink = { write(text: string): unknown; isTTY?: boolean; columns?: number; rows?: number }

/**
 * Columns two spaces apart, each as wide as its widest cell; the last one is not padded. Control characters in cells
 * are shown as `?`, so that text from the network cannot move the cursor.
 */
export function textTable(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headers, ...rows.map((cells) => cells.map(plainText))]
  const widths = headers.map((_, column) => Math.max(...all.map((cells) => (cells[column] ?? '').length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  return `${all.map(line).join('\n')}\n`
}

/** `text` on one line, without control characters. */
export function plainText(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}

export type DataFormat = 'json' | 'yaml'

/** A document as indented JSON or as YAML. */
export async function dataText(format: DataFormat, value: unknown): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`
  const { stringify } = await import('yaml')
  // kubectl reads YAML 1.1, in which a bare `off` is a boolean.
  return stringify(value, { lineWidth: 0, compat: 'yaml-1.1' })
}

/** Local time of day, `14:03:59`. */
export function timeText(at: number): string {
  return localText(at).slice(11, 19)
}

/** Local date and time, `2026-05-04 14:03:59.120`. */
export function localText(at: number): string {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, -1).replace('T', ' ')
}
