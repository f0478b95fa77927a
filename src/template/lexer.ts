import { TemplateFault } from './fault.ts'
import type { Span } from './ast.ts'

export type TokenType =
  | 'text'
  | 'open'
  | 'close'
  | 'word'
  | 'field'
  | 'variable'
  | 'dot'
  | 'number'
  | 'char'
  | 'string'
  | 'raw'
  | 'declare'
  | 'assign'
  | 'pipe'
  | 'comma'
  | 'left'
  | 'right'
  | 'end'

/** `text` of a `text` token is already trimmed; `spaced`: white space stands before it inside its action. */
export type Token = Span & { type: TokenType; text: string; spaced: boolean }

const space = /[ \t\r\n]*/y
const word = /[\p{L}\p{Nd}_]+/uy
const number = new RegExp(
  [
    '[+-]?(?:0[xX][0-9a-fA-F_]*(?:\\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?',
    '0[bB][01_]*|0[oO][0-7_]*',
    '[0-9_]*(?:\\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?',
  ].join('|'),
  'y',
)
const quoted = { '"': /"(?:[^"\\\n]|\\[^\n])*"/y, "'": /'(?:[^'\\\n]|\\[^\n])*'/y, '`': /`[^`]*`/y } as const
const quotedTypes = { '"': 'string', "'": 'char', '`': 'raw' } as const
const single: Readonly<Record<string, TokenType>> = { '=': 'assign', '|': 'pipe', ',': 'comma' }
const terminators = new Set([' ', '\t', '\r', '\n', '', '.', ',', '|', ':', ')', '('])

/**
 * Tokens of a template (Go text/template): literal text between actions `{{ … }}`, comments dropped, trim markers applied.
 * @throws TemplateFault
 */
export function lex(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  let trimNext = false
  while (at < source.length) {
    const open = source.indexOf('{{', at)
    const until = open < 0 ? source.length : open
    const trimThis = open >= 0 && /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4))
    pushText(tokens, source, at, until, trimNext, trimThis)
    if (open < 0) break
    const start = open + (trimThis ? 4 : 2)
    const done = source.startsWith('/*', start)
      ? skipComment(source, start)
      : lexAction(tokens, source, open, start)
    at = done.at
    trimNext = done.trim
  }
  tokens.push({ type: 'end', text: '', at: source.length, end: source.length, spaced: false })
  return tokens
}

type Done = { at: number; trim: boolean }

function pushText(
  tokens: Token[],
  source: string,
  at: number,
  end: number,
  trimStart: boolean,
  trimEnd: boolean,
) {
  let text = source.slice(at, end)
  if (trimStart) text = text.replace(/^[ \t\r\n]+/, '')
  if (trimEnd) text = text.replace(/[ \t\r\n]+$/, '')
  if (text !== '') tokens.push({ type: 'text', text, at, end, spaced: false })
}

function skipComment(source: string, start: number): Done {
  const close = source.indexOf('*/', start + 2)
  if (close < 0) throw new TemplateFault({ at: start, end: start + 2 }, 'comment is not closed')
  const done = closingAt(source, close + 2)
  if (!done) throw new TemplateFault({ at: close, end: close + 2 }, 'comment ends before the closing }}')
  return done
}

/** The end of an action at `at`, which must be white space followed by `-}}`, or `}}` itself. */
function closingAt(source: string, at: number): Done | undefined {
  if (source.startsWith('}}', at)) return { at: at + 2, trim: false }
  if (/^[ \t\r\n]-\}\}/.test(source.slice(at, at + 4))) return { at: at + 4, trim: true }
  return undefined
}

function lexAction(tokens: Token[], source: string, open: number, start: number): Done {
  tokens.push({ type: 'open', text: '{{', at: open, end: start, spaced: false })
  const parens: number[] = []
  let at = start
  for (;;) {
    const after = matchEnd(space, source, at) ?? at
    const spaced = after > at
    const closing = closingAt(source, after) ?? (spaced ? closingAt(source, after - 1) : undefined)
    if (closing) {
      const left = parens.at(-1)
      if (left !== undefined)
        throw new TemplateFault({ at: left, end: closing.at }, 'parenthesis is not closed')
      tokens.push({ type: 'close', text: '}}', at: after, end: closing.at, spaced })
      return closing
    }
    if (after >= source.length)
      throw new TemplateFault({ at: open, end: source.length }, 'action is not closed')
    const token = { ...lexToken(source, after), spaced }
    if (token.type === 'left') parens.push(token.at)
    if (token.type === 'right' && parens.pop() === undefined) {
      throw new TemplateFault(token, 'closing parenthesis without an opening one')
    }
    tokens.push(token)
    at = token.end
  }
}

function lexToken(source: string, at: number): Omit<Token, 'spaced'> {
  const char = source[at] ?? ''
  const token = (type: TokenType, end: number) => ({ type, text: source.slice(at, end), at, end })
  if (char === '(') return token('left', at + 1)
  if (char === ')') return token('right', at + 1)
  if (source.startsWith(':=', at)) return token('declare', at + 2)
  const plain = single[char]
  if (plain) return token(plain, at + 1)
  if (char === '"' || char === "'" || char === '`') return lexQuoted(source, at, char)
  if (/[0-9+-]/.test(char) || (char === '.' && /[0-9]/.test(source[at + 1] ?? '')))
    return lexNumber(source, at)
  if (char === '.' || char === '$') return lexName(source, at, at + 1, char === '.' ? 'field' : 'variable')
  const end = matchEnd(word, source, at)
  if (end !== undefined) return lexName(source, at, at, 'word')
  throw new TemplateFault({ at, end: at + 1 }, `unexpected character ${JSON.stringify(char)} in action`)
}

function lexName(source: string, at: number, nameAt: number, type: TokenType): Omit<Token, 'spaced'> {
  const end = matchEnd(word, source, nameAt) ?? nameAt
  const next = source.charAt(end)
  if (!terminators.has(next) && !source.startsWith('}}', end)) {
    throw new TemplateFault(
      { at, end: end + 1 },
      `bad character ${JSON.stringify(next)} after ${source.slice(at, end)}`,
    )
  }
  return { type: type === 'field' && end === nameAt ? 'dot' : type, text: source.slice(at, end), at, end }
}

function lexNumber(source: string, at: number): Omit<Token, 'spaced'> {
  const end = matchEnd(number, source, at) ?? at
  const trailing = matchEnd(word, source, end)
  const text = source.slice(at, trailing ?? end)
  if (trailing !== undefined || end === at) {
    throw new TemplateFault({ at, end: Math.max(end, at + 1) }, `bad number ${JSON.stringify(text)}`)
  }
  return { type: 'number', text, at, end }
}

function lexQuoted(source: string, at: number, quote: keyof typeof quoted): Omit<Token, 'spaced'> {
  const end = matchEnd(quoted[quote], source, at)
  if (end === undefined)
    throw new TemplateFault({ at, end: source.length }, `${quotedTypes[quote]} literal is not closed`)
  return { type: quotedTypes[quote], text: source.slice(at, end), at, end }
}

/** @returns the end of a non-empty match of the sticky `pattern` at `at` */
function matchEnd(pattern: RegExp, source: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(source) && pattern.lastIndex > at ? pattern.lastIndex : undefined
}
