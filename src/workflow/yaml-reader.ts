import { LineCounter, isAlias, isMap, isScalar, isSeq, parseAllDocuments } from 'yaml'
import type { Document, Node, Scalar, YAMLMap } from 'yaml'
import type { Fault } from '../model/error.ts'

/** A mapping's entries by key; merge keys (`<<`) are resolved. */
export type Entries = ReadonlyMap<string, Node | null>

const nulls = new Set(['', '~', 'null', 'Null', 'NULL'])
/** Nodes looked at in one document: aliases may make much of little. */
const maxNodes = 100_000

/**
 * One YAML document, read field by field. Scalars are texts: `0644` and `3.86` stay what they are in the source, whatever
 * a number would make of them (as Go's yaml.v3 decodes into string fields). Faults are gathered with `line:column`.
 */
export class YamlReader {
  readonly faults: Fault[] = []
  readonly root: Node | null
  readonly #document: Document.Parsed | undefined
  readonly #lines = new LineCounter()
  #nodes = 0

  /** Reads the first document of `text`. */
  constructor(text: string) {
    const options = { schema: 'failsafe', lineCounter: this.#lines, prettyErrors: false } as const
    const parsed = parseAllDocuments(text, options)
    const [document] = Array.isArray(parsed) ? parsed : []
    this.#document = document
    for (const error of document?.errors ?? []) this.#fault(error.pos[0], `not YAML: ${error.message}`)
    this.root = (document?.contents as Node | null | undefined) ?? null
  }

  /** Notes a fault at `node`, or at the start of the document. */
  fault(node: Node | null | undefined, message: string): void {
    this.#fault(node?.range?.[0] ?? 0, message)
  }

  #fault(offset: number, message: string): void {
    const { line, col } = this.#lines.linePos(offset)
    this.faults.push({ path: `${Math.max(line, 1)}:${Math.max(col, 1)}`, message })
  }

  /** The node an alias stands for, or the node itself. */
  #resolved(node: Node | null | undefined): Node | null {
    if (++this.#nodes > maxNodes) {
      if (this.#nodes === maxNodes + 1) this.fault(node, `the document has more than ${maxNodes} values`)
      return null
    }
    if (!isAlias(node)) return node ?? null
    const target = this.#document && (node.resolve(this.#document) as Node | undefined)
    return target && !isAlias(target) ? target : null
  }

  /** The scalar `node` is; `undefined` when it is a list or mapping. Nothing and null are both `null`. */
  #scalar(node: Node | null | undefined): Scalar | null | undefined {
    const found = this.#resolved(node)
    if (!found) return null
    if (!isScalar(found)) return undefined
    return found.type === 'PLAIN' && nulls.has(String(found.value)) ? null : found
  }

  /** @returns the text; '' for null */
  text(node: Node | null | undefined, field: string): string {
    const scalar = this.#scalar(node)
    if (scalar === undefined) this.fault(node, `${field} must be text`)
    return scalar ? String(scalar.value) : ''
  }

  /** @returns a whole number not below 0; `undefined` for null */
  integer(node: Node | null | undefined, field: string): number | undefined {
    const scalar = this.#scalar(node)
    if (scalar === null) return undefined
    const text = scalar ? String(scalar.value).replaceAll('_', '') : ''
    const value = /^(\+?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)$/.test(text) ? integerOf(text) : Number.NaN
    if (scalar?.type === 'PLAIN' && value <= maxInteger) return value
    this.fault(node, `${field} must be a whole number from 0 to ${maxInteger}, not ${JSON.stringify(text)}`)
    return undefined
  }

  /** @returns the items; none for null */
  list(node: Node | null | undefined, field: string): Node[] {
    const found = this.#resolved(node)
    if (isSeq(found)) return found.items as Node[]
    if (this.#scalar(found) !== null) this.fault(node, `${field} must be a list`)
    return []
  }

  texts(node: Node | null | undefined, field: string): string[] {
    return this.list(node, field).map((item) => this.text(item, `an item of ${field}`))
  }

  /** @returns the entries; none for null */
  entries(node: Node | null | undefined, field: string, depth = 0): Entries {
    const found = this.#resolved(node)
    if (isMap(found)) return this.#entriesOf(found, field, depth)
    if (this.#scalar(found) !== null) this.fault(node, `${field} must be a mapping`)
    return new Map()
  }

  #entriesOf(map: YAMLMap, field: string, depth: number): Map<string, Node | null> {
    const own = new Map<string, Node | null>()
    const inherited = new Map<string, Node | null>()
    for (const { key, value } of map.items as { key: Node; value: Node | null }[]) {
      const name = this.text(key, `a key of ${field}`)
      if (name !== '<<' || depth > 10) own.set(name, value)
      else
        for (const [from, entry] of this.#mergeSources(value, field, depth))
          if (!inherited.has(from)) inherited.set(from, entry)
    }
    return new Map([...inherited, ...own])
  }

  #mergeSources(node: Node | null, field: string, depth: number): [string, Node | null][] {
    const found = this.#resolved(node)
    const sources = isSeq(found) ? (found.items as Node[]) : [found]
    return sources.flatMap((source) => [...this.entries(source, field, depth + 1)])
  }
}

const maxInteger = 2_147_483_647

/** A leading 0 is octal, as in YAML 1.1. */
function integerOf(text: string): number {
  return /^0[0-9]/.test(text) ? (/[89]/.test(text) ? Number.NaN : Number.parseInt(text, 8)) : Number(text)
}
