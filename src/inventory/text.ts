import type { CsvFault } from './fault.ts'

/** Text of a file as it arrives, every line end a `\n`; or why it is no text, after which there is no more. */
export type TextReader = { read(bytes: Uint8Array, isLast: boolean): string | CsvFault }

const bad = /[\u0000\uFFFD]/
const utf16 = 'UTF-8; this is UTF-16: save the file as "CSV UTF-8"'

/**
 * UTF-8, with or without a byte order mark, lines ended by LF, CRLF, CR or a mixture. A byte sequence that is no UTF-8
 * and a NUL character are faults, named with their line.
 */
export function createTextReader(): TextReader {
  const decoder = new TextDecoder('utf-8')
  let line = 1
  let characters = 0
  let heldCr = ''

  const fault = (expected: string): CsvFault => ({ line, column: '', value: '', expected })

  function check(text: string): CsvFault | undefined {
    const at = text.search(bad)
    if (at === -1) return undefined
    line += newlinesIn(text.slice(0, at))
    const isNul = text[at] === '\0'
    if (isNul && characters + at <= 3) return fault(utf16)
    return fault(isNul ? 'text without NUL characters' : 'UTF-8 text')
  }

  return {
    read(bytes, isLast) {
      // 0xFE and 0xFF are no UTF-8, and the byte order mark of UTF-16 begins with one of them.
      if (characters === 0 && (bytes[0] === 0xfe || bytes[0] === 0xff)) return fault(utf16)
      const decoded = heldCr + decoder.decode(bytes, { stream: !isLast })
      heldCr = decoded.endsWith('\r') && !isLast ? '\r' : ''
      const whole = heldCr === '' ? decoded : decoded.slice(0, -1)
      const text = whole.includes('\r') ? whole.replace(/\r\n?/g, '\n') : whole
      const found = check(text)
      if (found) return found
      line += newlinesIn(text)
      characters += text.length
      return text
    },
  }
}

export function newlinesIn(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++
  return count
}
