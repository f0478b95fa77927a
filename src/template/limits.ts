/** Bounds that keep one rendering small, whatever the template says. */

/** UTF-8 bytes of rendered output; Tinkerbell's bound. */
export const maxOutputBytes = 256 * 1024
/** UTF-16 units of the template text */
export const maxSourceLength = 1024 * 1024
/** evaluated nodes, plus work in proportion to the text that functions are given */
export const maxSteps = 500_000
/** time of one rendering, ms; the server answers nobody else meanwhile */
export const maxRenderMs = 2000
/** UTF-16 units of any text that a function makes */
export const maxTextLength = 1024 * 1024
/** items of any list that a function makes */
export const maxListLength = 100_000
/** nesting of blocks and parentheses in a template, and of values that are formatted */
export const maxNesting = 200
/** `{{template}}` calls inside each other */
export const maxCallDepth = 500

/** A failure inside a function, a literal or a value: its place is added by whoever knows it. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

/** A failure of one argument of a function, counted from 0. */
export class ArgumentError extends TemplateError {
  readonly index: number

  constructor(index: number, message: string) {
    super(message)
    this.index = index
  }
}

/** @throws TemplateError when a text of this length must not be made */
export function checkTextLength(length: number): void {
  if (length > maxTextLength) throw new TemplateError(`text longer than ${maxTextLength} characters`)
}

/** @throws TemplateError when a list of this length must not be made */
export function checkListLength(length: number): void {
  if (length > maxListLength) throw new TemplateError(`list longer than ${maxListLength} items`)
}
