import { checkTextLength } from './limits.ts'

/** Collects text up to the bound of any text a function makes. */
export class TextBuilder {
  readonly #parts: string[] = []
  #length = 0

  /** @throws TemplateError when the whole grows too long */
  add(text: string): void {
    this.#length += text.length
    checkTextLength(this.#length)
    this.#parts.push(text)
  }

  text(): string {
    return this.#parts.join('')
  }
}
