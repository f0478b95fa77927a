import papaparse from 'papaparse'
import type { ParseResult } from 'papaparse'
import { newlinesIn } from './text.ts'

/** One record: `line` is where it starts; `fault` says why its fields mean nothing. */
export type CsvRecord = { line: number; fields: string[]; fault?: string }

export type RecordReader = {
  /** Whole records of the text so far; blank lines are left out. */
  read(text: string, isLast: boolean): CsvRecord[]
  /** why reading on is no use, once that is so */
  stopped(): { line: number; expected: string } | undefined
}

/** Longest record, in characters: also a quote that is never closed ends here. */
export const longestRecord = 128 * 1024
export const mostFields = 1000

/** Records of RFC 4180 as text arrives: fields between commas, quoted ones may hold commas, quotes and line ends. */
export function createRecordReader(): RecordReader {
  // The parser is one for a piece of text: what it has not taken (the last record) is parsed again with the next piece.
  const config = { delimiter: ',', newline: '\n', quoteChar: '"' } as const
  let rest = ''
  let line = 1
  let stop: { line: number; expected: string } | undefined

  function placed(fields: string[], fault: string | undefined, hasQuotes: boolean): CsvRecord {
    const record = fault === undefined ? { line, fields } : { line, fields, fault }
    line++
    if (hasQuotes) for (const field of fields) line += newlinesIn(field)
    return record
  }

  return {
    stopped: () => stop,
    read(text, isLast) {
      if (stop) return []
      const input = rest + text
      const { data, errors, meta } = new papaparse.Parser(config).parse(input, 0, !isLast) as ParseResult<
        string[]
      >
      const hasQuotes = input.includes('"')
      const faults = new Map(errors.map(({ row = 0, message }) => [row, message]))
      rest = input.slice(meta.cursor)
      const records = data.map((fields, row) => placed(fields, faults.get(row), hasQuotes))
      if (rest.length > longestRecord)
        stop = {
          line,
          expected: `a row of at most ${longestRecord / 1024} KiB; is a quote never closed?`,
        }
      const wide = records.find(({ fields }) => fields.length > mostFields)
      if (wide) stop = { line: wide.line, expected: `at most ${mostFields} columns` }
      return records.filter(({ line: at, fields }) => at < (wide?.line ?? Infinity) && !isBlank(fields))
    },
  }
}

const isBlank = (fields: readonly string[]) => fields.every((field) => field.trim() === '')
