import { fn } from './func.ts'
import type { Func, FuncTable } from './func.ts'
import { TextBuilder } from './text-builder.ts'
import { bytesOf, textOfBytes } from './value.ts'
import { kebabCase, simpleLower, simpleUpper } from './word-case.ts'

/** Sprig's functions on words and lines; widths and positions count bytes, as in Go. */
export const wordFunctions: FuncTable = {
  abbrev: fn(['int', 'string'], (width, text) => (width < 4 ? text : abbreviated(text, 0, width))),
  abbrevboth: fn(['int', 'int', 'string'], (left, right, text) =>
    right < 4 || (left > 0 && right < 7) ? text : abbreviated(text, left, right),
  ),
  initials: fn(['string'], (text) => Array.from(text.matchAll(/(?<!\S)\S/gu), ([char]) => char).join('')),
  swapcase: byCharacter(swapCase),
  camelcase: byCharacter(camelCase),
  snakecase: byCharacter((text) => kebabCase(text, '_')),
  kebabcase: byCharacter((text) => kebabCase(text, '-')),
  wrap: fn(['int', 'string'], (width, text) => wrapped(text, width, '\n', false)),
  wrapWith: fn(['int', 'string', 'string'], (width, lineEnd, text) =>
    wrapped(text, width, lineEnd === '' ? '\n' : lineEnd, true),
  ),
}

/** A function that looks at every character, of which each costs a step. */
function byCharacter(change: (text: string) => string): Func {
  return fn(['string'], (text, spend) => {
    spend(text.length)
    return change(text)
  })
}

const ellipsis = '...'

/** At most `width` bytes, in which what stands at byte `left` can be seen; `...` for what is left out. */
function abbreviated(text: string, left: number, width: number): string {
  const bytes = bytesOf(text)
  if (bytes.length <= width) return text
  const bounded = Math.min(left, bytes.length)
  const start = bytes.length - bounded < width - 3 ? bytes.length - (width - 3) : bounded
  if (start <= 4) return textOfBytes(bytes.slice(0, width - 3)) + ellipsis
  if (width < 7) return ''
  const tail = textOfBytes(bytes.slice(start))
  if (start + width - 3 < bytes.length)
    return ellipsis + (width - 3 < 4 ? '' : abbreviated(tail, 0, width - 3))
  return ellipsis + textOfBytes(bytes.slice(bytes.length - (width - 3)))
}

/** Upper case becomes lower; lower case becomes upper. */
function swapCase(text: string): string {
  return text.replace(/[\p{Lu}\p{Lt}]|\p{Ll}/gu, (char) =>
    /\p{Ll}/u.test(char) ? simpleUpper(char) : simpleLower(char),
  )
}

/** `some_words-here` → `SomeWordsHere`; connectors at the ends and repeated ones stay. */
function camelCase(text: string): string {
  const lead = /^[-_\s]*/u.exec(text)?.[0] ?? ''
  const rest = text.slice(lead.length)
  const trail = /[-_\s]*$/u.exec(rest)?.[0] ?? ''
  const words = rest.slice(0, rest.length - trail.length)
  const joined = words.replace(
    /([-_\s]+)|([^-_\s])([^-_\s]*)/gu,
    (_, connectors: string | undefined, first: string | undefined, others: string | undefined) =>
      connectors === undefined
        ? simpleUpper(first ?? '') + Array.from(others ?? '', simpleLower).join('')
        : connectors.slice(0, -1),
  )
  return lead + joined + trail
}

/** Lines of at most `width` bytes, broken at spaces; a longer word is cut only when `cutsWords`. */
function wrapped(text: string, width: number, lineEnd: string, cutsWords: boolean): string {
  const bytes = bytesOf(text)
  const limit = Math.max(width, 1)
  const space = 32
  const out = new TextBuilder()
  const add = (from: number, to: number) => out.add(textOfBytes(bytes.slice(from, to)) + lineEnd)
  let at = 0
  while (bytes.length - at > limit) {
    if (bytes[at] === space) {
      at++
      continue
    }
    const before = bytes.lastIndexOf(space, at + limit)
    if (before >= at) {
      add(at, before)
      at = before + 1
    } else if (cutsWords) {
      add(at, at + limit)
      at += limit
    } else {
      const after = bytes.indexOf(space, at + limit)
      if (after < 0) break
      add(at, after)
      at = after + 1
    }
  }
  out.add(textOfBytes(bytes.slice(at)))
  return out.text()
}
