import { TemplateFault } from './fault.ts'
import type { Token, TokenType } from './lexer.ts'
import { messageOf } from '../model/error.ts'

/** The tokens of a template, read once from front to back, with the variables that are in scope where it reads. */
export class TokenReader {
  readonly #tokens: readonly Token[]
  readonly hasFunction: (name: string) => boolean
  /** innermost last; `$` is the data of the template */
  variables: string[] = ['$']
  /** parentheses that are open */
  depth = 0
  #at = 0

  /** @param tokens ends with an `end` token */
  constructor(tokens: readonly Token[], hasFunction: (name: string) => boolean) {
    this.#tokens = tokens
    this.hasFunction = hasFunction
  }

  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!
  }

  next(): Token {
    const token = this.peek()
    this.#at++
    return token
  }

  /** @throws TemplateFault when the next token is of another type */
  expect(type: TokenType, context: string): Token {
    const token = this.next()
    if (token.type !== type)
      throw new TemplateFault(token, `unexpected ${JSON.stringify(token.text)} in ${context}`)
    return token
  }

  /** Reads a literal. @throws TemplateFault with the place of a bad one */
  literal<T>(token: Token, read: (text: string) => T): T {
    try {
      return read(token.text)
    } catch (error) {
      throw new TemplateFault(token, messageOf(error))
    }
  }
}
