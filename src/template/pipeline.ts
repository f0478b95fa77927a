import type { Command, Expr, Pipe } from './ast.ts'
import { TemplateFault } from './fault.ts'
import type { Token } from './lexer.ts'
import { maxNesting } from './limits.ts'
import { charValue, numberValue, stringValue } from './literal.ts'
import { nonHermeticNames } from './outside.ts'
import type { TokenReader } from './token-reader.ts'

const blockWords = new Set([
  'block',
  'break',
  'continue',
  'define',
  'else',
  'end',
  'if',
  'range',
  'template',
  'with',
])

/**
 * Parses `[$a[, $b] (:= or =)] command | command …`; the closing delimiter stays unread.
 * @param context the action it stands in, for messages; two variables are for `range` only
 * @throws TemplateFault
 */
export function parsePipe(tokens: TokenReader, context: string): Pipe {
  const at = tokens.peek().at
  const { variables, assign } = parseVariables(tokens, context)
  const commands = parseCommands(tokens, context)
  const end = commands.at(-1)?.end ?? at
  if (!assign) tokens.variables.push(...variables)
  return { variables, assign, commands, at, end }
}

function parseVariables(tokens: TokenReader, context: string): { variables: string[]; assign: boolean } {
  const names: string[] = []
  const separator = tokens.peek(1).type
  if (tokens.peek().type !== 'variable') return { variables: names, assign: false }
  const pair = separator === 'comma' && context === 'range'
  if (separator !== 'declare' && separator !== 'assign' && !pair) return { variables: names, assign: false }
  names.push(tokens.next().text)
  if (pair) {
    tokens.next()
    names.push(tokens.expect('variable', 'range').text)
  }
  const operator = tokens.next()
  const assign = operator.type === 'assign'
  if (!assign && operator.type !== 'declare') throw new TemplateFault(operator, 'expected := or =')
  const unknown = assign ? names.find((name) => !tokens.variables.includes(name)) : undefined
  if (unknown) throw new TemplateFault(operator, `undefined variable ${unknown}`)
  return { variables: names, assign }
}

function parseCommands(tokens: TokenReader, context: string): Command[] {
  const commands: Command[] = []
  for (;;) {
    const command = parseCommand(tokens, context)
    const first = command.args[0]
    if (
      commands.length > 0 &&
      (first?.type === 'constant' || first?.type === 'dot' || first?.type === 'nil')
    ) {
      throw new TemplateFault(command, `a value cannot be stage ${commands.length + 1} of a pipeline`)
    }
    commands.push(command)
    if (tokens.peek().type !== 'pipe') return commands
    tokens.next()
  }
}

function parseCommand(tokens: TokenReader, context: string): Command {
  const args: Expr[] = []
  const { at } = tokens.peek()
  for (;;) {
    const token = tokens.peek()
    if (token.type === 'close' || token.type === 'right' || token.type === 'pipe') break
    if (args.length > 0 && !token.spaced)
      throw new TemplateFault(token, `unexpected ${describe(token)} in ${context}`)
    args.push(parseOperand(tokens, context))
  }
  const first = args[0]
  if (!first) throw new TemplateFault(tokens.peek(), `missing value for ${context}`)
  if (first.type === 'nil') throw new TemplateFault(first, 'nil is not a command')
  return { args, at, end: args.at(-1)?.end ?? at }
}

/** A term with the fields that follow it without a space: `(f x).a.b`, `$x.a`, `.a.b`. */
function parseOperand(tokens: TokenReader, context: string): Expr {
  const term = parseTerm(tokens, context)
  const names: string[] = []
  let end = term.end
  while (tokens.peek().type === 'field' && !tokens.peek().spaced) {
    const token = tokens.next()
    names.push(token.text.slice(1))
    end = token.end
  }
  if (names.length === 0) return term
  if (term.type === 'field') return { ...term, names: [...term.names, ...names], end }
  if (term.type === 'variable') return { ...term, fields: names, end }
  if (term.type === 'pipe' || term.type === 'function') {
    return { type: 'chain', base: term, fields: names, at: term.at, end }
  }
  throw new TemplateFault({ at: term.at, end }, 'a field of a literal or of "." has no meaning')
}

function parseTerm(tokens: TokenReader, context: string): Expr {
  const token = tokens.next()
  const span = { at: token.at, end: token.end }
  switch (token.type) {
    case 'dot':
      return { type: 'dot', ...span }
    case 'field':
      return { type: 'field', names: [token.text.slice(1)], ...span }
    case 'number':
      return { type: 'constant', value: tokens.literal(token, numberValue), ...span }
    case 'char':
      return { type: 'constant', value: tokens.literal(token, charValue), ...span }
    case 'string':
      return { type: 'constant', value: tokens.literal(token, stringValue), ...span }
    case 'raw':
      return { type: 'constant', value: token.text.slice(1, -1).replaceAll('\r', ''), ...span }
    case 'variable':
      if (!tokens.variables.includes(token.text))
        throw new TemplateFault(token, `undefined variable ${token.text}`)
      return { type: 'variable', name: token.text, fields: [], ...span }
    case 'word':
      return parseWord(tokens, token)
    case 'left':
      return parseParens(tokens, token)
    default:
      throw new TemplateFault(token, `unexpected ${describe(token)} in ${context}`)
  }
}

function parseWord(tokens: TokenReader, token: Token): Expr {
  const span = { at: token.at, end: token.end }
  if (token.text === 'nil') return { type: 'nil', ...span }
  if (token.text === 'true' || token.text === 'false') {
    return { type: 'constant', value: token.text === 'true', ...span }
  }
  if (blockWords.has(token.text))
    throw new TemplateFault(token, `unexpected {{${token.text}}} inside an action`)
  if (!tokens.hasFunction(token.text)) throw new TemplateFault(token, unknownFunction(token.text))
  return { type: 'function', name: token.text, ...span }
}

function unknownFunction(name: string): string {
  if (!nonHermeticNames.has(name)) return `function ${JSON.stringify(name)} not defined`
  const what = 'depends on more than the template and its data, and is switched off'
  return `function ${JSON.stringify(name)} ${what}: set templates.allowNonHermetic to true to allow it`
}

function parseParens(tokens: TokenReader, left: Token): Expr {
  if (++tokens.depth > maxNesting)
    throw new TemplateFault(left, `parentheses are nested deeper than ${maxNesting}`)
  const pipe = parsePipe(tokens, 'parenthesized pipeline')
  const right = tokens.expect('right', 'parenthesized pipeline')
  tokens.depth--
  return { type: 'pipe', pipe, at: left.at, end: right.end }
}

/** A token as messages name it. */
export function describe(token: Token): string {
  return token.type === 'end' ? 'the end of the template' : JSON.stringify(token.text)
}
