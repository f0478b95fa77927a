import type { Node, Pipe, Program, Span } from './ast.ts'
import { TemplateFault } from './fault.ts'
import { lex } from './lexer.ts'
import { maxNesting } from './limits.ts'
import { stringValue } from './literal.ts'
import { describe, parsePipe } from './pipeline.ts'
import { TokenReader } from './token-reader.ts'

/** What the words at the start of an action open, close or divide; every other action is a pipeline. */
type BlockEnd = 'end' | 'else'
type Body = { nodes: Node[]; endedBy: BlockEnd; at: number }

/**
 * Parses a template (Go text/template): actions, pipelines, if, with, range, define, block, template, break, continue.
 * @param hasFunction whether a name is a known function: calling another one is a fault of the template, found here
 * @throws TemplateFault
 */
export function parse(source: string, hasFunction: (name: string) => boolean): Program {
  return new Parser(source, hasFunction).program()
}

class Parser {
  readonly #tokens: TokenReader
  readonly #templates = new Map<string, Node[]>()
  #loops = 0
  #depth = 0

  constructor(source: string, hasFunction: (name: string) => boolean) {
    this.#tokens = new TokenReader(lex(source), hasFunction)
  }

  program(): Program {
    const body: Node[] = []
    while (this.#tokens.peek().type !== 'end') {
      if (this.#wordOfAction() === 'define') this.#define()
      else body.push(...this.#node())
    }
    return { body, templates: this.#templates }
  }

  /** The keyword or function that the action ahead begins with. */
  #wordOfAction(): string | undefined {
    const word = this.#tokens.peek(1)
    return this.#tokens.peek().type === 'open' && word.type === 'word' ? word.text : undefined
  }

  /** One node; none for an action without effect. */
  #node(): Node[] {
    const token = this.#tokens.peek()
    if (token.type === 'text') {
      this.#tokens.next()
      return [{ type: 'text', text: token.text, at: token.at, end: token.end }]
    }
    const word = this.#wordOfAction()
    const open = this.#tokens.next()
    if (word === 'if' || word === 'with' || word === 'range') return [this.#control(open, word)]
    if (word === 'break' || word === 'continue') return [this.#jump(open, word)]
    if (word === 'template') return [this.#call(open)]
    if (word === 'block') return [this.#block(open)]
    if (word === 'define') throw this.#fault('{{define}} must stand outside of other blocks')
    if (word === 'end' || word === 'else') throw this.#fault(`unexpected {{${word}}}`)
    const pipe = parsePipe(this.#tokens, 'action')
    return [{ type: 'action', pipe, at: open.at, end: this.#tokens.expect('close', 'action').end }]
  }

  #fault(message: string, span: Span = this.#tokens.peek()): TemplateFault {
    return new TemplateFault(span, message)
  }

  /** Nodes up to the `{{end}}` or `{{else` of the block opened by `open`; the word itself is consumed. */
  #body(open: Span, what: string): Body {
    if (++this.#depth > maxNesting) throw this.#fault(`blocks are nested deeper than ${maxNesting}`, open)
    const nodes: Node[] = []
    for (;;) {
      const token = this.#tokens.peek()
      if (token.type === 'end') throw this.#fault(`{{${what}}} has no {{end}}`, open)
      const word = this.#wordOfAction()
      if (word === 'end' || word === 'else') {
        this.#tokens.next()
        this.#tokens.next()
        this.#depth--
        return { nodes, endedBy: word, at: token.at }
      }
      nodes.push(...this.#node())
    }
  }

  /** A body that only `{{end}}` may close. */
  #closedBody(open: Span, what: string): Node[] {
    const body = this.#body(open, what)
    if (body.endedBy === 'else') throw this.#fault(`unexpected {{else}} in {{${what}}}`)
    this.#tokens.expect('close', 'end')
    return body.nodes
  }

  #control(open: Span, type: 'if' | 'with' | 'range'): Node {
    this.#tokens.next()
    const mark = this.#tokens.variables.length
    const pipe = parsePipe(this.#tokens, type)
    const end = this.#tokens.expect('close', type).end
    if (type === 'range') this.#loops++
    const body = this.#body(open, type)
    if (type === 'range') this.#loops--
    const otherwise = body.endedBy === 'else' ? this.#otherwise(open, type) : undefined
    if (body.endedBy === 'end') this.#tokens.expect('close', 'end')
    this.#tokens.variables.length = mark
    return { type, pipe, body: body.nodes, otherwise, at: open.at, end }
  }

  /** What follows `{{else`: `if …}}` and `with …}}` begin a block that shares the `{{end}}`. */
  #otherwise(open: Span, type: 'if' | 'with' | 'range'): Node[] {
    const word = this.#tokens.peek()
    if (word.type === 'word' && (word.text === 'if' || word.text === 'with')) {
      if (word.text !== type) throw this.#fault(`{{else ${word.text}}} cannot stand in {{${type}}}`)
      if (++this.#depth > maxNesting) throw this.#fault(`more than ${maxNesting} {{else ${type}}}`)
      const node = this.#control(word, type)
      this.#depth--
      return [node]
    }
    this.#tokens.expect('close', 'else')
    return this.#closedBody(open, type)
  }

  #jump(open: Span, type: 'break' | 'continue'): Node {
    const word = this.#tokens.next()
    if (this.#loops === 0) throw this.#fault(`{{${type}}} outside of {{range}}`, word)
    return { type, at: open.at, end: this.#tokens.expect('close', type).end }
  }

  #name(what: string): string {
    const token = this.#tokens.next()
    if (token.type === 'raw') return token.text.slice(1, -1)
    if (token.type === 'string') return this.#tokens.literal(token, stringValue)
    throw this.#fault(`{{${what}}} needs a name in quotes, not ${describe(token)}`, token)
  }

  /** The pipeline between a name and `}}`, when there is one. */
  #argument(what: string): Pipe | undefined {
    return this.#tokens.peek().type === 'close' ? undefined : parsePipe(this.#tokens, what)
  }

  #call(open: Span): Node {
    this.#tokens.next()
    const name = this.#name('template')
    const pipe = this.#argument('template')
    return { type: 'template', name, pipe, at: open.at, end: this.#tokens.expect('close', 'template').end }
  }

  #block(open: Span): Node {
    this.#tokens.next()
    const name = this.#name('block')
    const pipe = parsePipe(this.#tokens, 'block')
    const end = this.#tokens.expect('close', 'block').end
    this.#addTemplate(open, name, 'block')
    return { type: 'template', name, pipe, at: open.at, end }
  }

  #define(): void {
    const open = this.#tokens.next()
    this.#tokens.next()
    const name = this.#name('define')
    this.#tokens.expect('close', 'define')
    this.#addTemplate(open, name, 'define')
  }

  /** Parses the body of a named template: it sees no variables of its surroundings but `$`, its own data. */
  #addTemplate(open: Span, name: string, what: string): void {
    const outer = { variables: this.#tokens.variables, loops: this.#loops }
    this.#tokens.variables = ['$']
    this.#loops = 0
    const nodes = this.#closedBody(open, what)
    this.#tokens.variables = outer.variables
    this.#loops = outer.loops
    const earlier = this.#templates.get(name)
    if (earlier && !isBlank(earlier) && !isBlank(nodes)) {
      throw this.#fault(`template ${JSON.stringify(name)} is defined twice`, open)
    }
    if (!earlier || !isBlank(nodes)) this.#templates.set(name, nodes)
  }
}

/** A definition of white space only gives way to another one of its name. */
function isBlank(nodes: readonly Node[]): boolean {
  return nodes.every((node) => node.type === 'text' && node.text.trim() === '')
}
