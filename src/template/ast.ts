import type { Value } from './value.ts'

/** Offsets in the template text, `end` exclusive. */
export type Span = { at: number; end: number }

/** What yields a value. `pipe` is a parenthesized pipeline; `chain` is one with fields behind it: `(f x).a.b`. */
export type Expr = Span &
  (
    | { type: 'dot' }
    | { type: 'nil' }
    | { type: 'constant'; value: Value }
    | { type: 'field'; names: string[] }
    | { type: 'variable'; name: string; fields: string[] }
    | { type: 'function'; name: string }
    | { type: 'pipe'; pipe: Pipe }
    | { type: 'chain'; base: Expr; fields: string[] }
  )

/** A function or value with its arguments; in a pipeline the result of the one before it is the last argument. */
export type Command = Span & { args: Expr[] }

/** `$a, $b := command | command`; `assign` for `=` */
export type Pipe = Span & { variables: string[]; assign: boolean; commands: Command[] }

export type Node = Span &
  (
    | { type: 'text'; text: string }
    | { type: 'action'; pipe: Pipe }
    | { type: 'if' | 'with' | 'range'; pipe: Pipe; body: Node[]; otherwise: Node[] | undefined }
    | { type: 'break' | 'continue' }
    | { type: 'template'; name: string; pipe: Pipe | undefined }
  )

/** A parsed template: its own body and what `define` and `block` named in it. */
export type Program = { body: Node[]; templates: ReadonlyMap<string, Node[]> }
