import { AppError } from '../model/error.ts'
import { TemplateFault } from '../template/fault.ts'
import { plainText } from './output.ts'

/** Lines shown before the one at fault. */
const linesBefore = 2
const longestLine = 160

/**
 * What is wrong with a template, with the line it stands in and a caret below the expression; other errors pass.
 * @param name of the file or object, for the first line
 */
export function explained(error: unknown, name: string, text: string): unknown {
  if (!(error instanceof AppError)) return error
  const { cause } = error
  if (cause instanceof TemplateFault)
    return failure(error, [
      `${name}:${error.faults[0]?.path}: ${cause.message}`,
      marked(text, cause.at, cause.end),
    ])
  const placed = error.faults.filter(({ path }) => /^\d+:\d+$/.test(path))
  if (placed.length === 0) return failure(error, [`${name}: ${error.message}`])
  return failure(
    error,
    placed.slice(0, 5).flatMap(({ path, message }) => {
      const at = offsetOf(text, path)
      return [`${name} as rendered, ${path}: ${message}`, marked(text, at, at + 1)]
    }),
  )
}

function failure(error: AppError, parts: readonly string[]): AppError {
  return new AppError(error.code, parts.join('\n'), { cause: error })
}

function offsetOf(text: string, path: string): number {
  const [line = 1, column = 1] = path.split(':').map(Number)
  const before = text.split('\n').slice(0, line - 1)
  return before.reduce((sum, one) => sum + one.length + 1, 0) + column - 1
}

/** The line at offset `at` with its number, the ones before it, and carets below `at` to `end` as far as the line goes. */
function marked(text: string, at: number, end: number): string {
  const lines = text.split('\n')
  const before = text.slice(0, at).split('\n')
  const row = before.length - 1
  const column = before.at(-1)?.length ?? 0
  const line = lines[row] ?? ''
  const width = String(row + 1).length
  const shown = lines.slice(Math.max(0, row - linesBefore), row + 1)
  const numbered = shown.map((one, i) => {
    const number = String(row + 2 - shown.length + i).padStart(width)
    return `  ${number} | ${cut(one)}`
  })
  const length = Math.max(1, Math.min(end - at, line.length - column, longestLine))
  return [...numbered, `  ${' '.repeat(width)} | ${blank(line.slice(0, column))}${'^'.repeat(length)}`].join(
    '\n',
  )
}

const cut = (line: string) =>
  line.slice(0, longestLine).split('\t').map(plainText).join('\t') + (line.length > longestLine ? '…' : '')

/** White space as wide as `line`: a tab stays one. */
const blank = (line: string) => line.slice(0, longestLine).replace(/[^\t]/gu, ' ')
