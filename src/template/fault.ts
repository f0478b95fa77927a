import { AppError } from '../model/error.ts'
import type { Span } from './ast.ts'

/** A failure with its place in the template: offsets in UTF-16 units, `end` exclusive. */
export class TemplateFault extends Error {
  override readonly name = 'TemplateFault'
  readonly at: number
  readonly end: number

  constructor(span: Span, message: string) {
    super(message)
    this.at = span.at
    this.end = span.end
  }
}

const nearLength = 40

/** @returns an Invalid error, `line:column: what (near "text")`, lines and columns counted from 1; its cause is `fault` */
export function appErrorOf(source: string, fault: TemplateFault): AppError {
  const before = source.slice(0, fault.at).split('\n')
  const place = `${before.length}:${Array.from(before.at(-1) ?? '').length + 1}`
  const near = source.slice(fault.at, Math.max(fault.end, fault.at)).replace(/\s+/g, ' ').trim()
  const shown = near.length > nearLength ? `${near.slice(0, nearLength)}…` : near
  const message = shown === '' ? fault.message : `${fault.message} (near \`${shown}\`)`
  return new AppError('Invalid', `${place}: ${message}`, {
    cause: fault,
    faults: [{ path: place, message }],
  })
}
