import { AppError } from '../model/error.ts'
import { isJsonObject, maxDepth, sameJson } from '../store/json.ts'

/** Operations of one patch. */
const maxOperations = 10_000
/** Characters of JSON that the `copy` operations of one patch may add. */
const maxCopied = 3 * 1024 * 1024

type Json = Record<string, unknown>

type Operation =
  | { op: 'add' | 'replace' | 'test'; path: readonly string[]; value: unknown }
  | { op: 'remove'; path: readonly string[] }
  | { op: 'move' | 'copy'; path: readonly string[]; from: readonly string[] }

/** What the operations work on: the document below `root`, and how much may still be copied. */
type Work = { holder: { root?: unknown }; copies: number }

/** A JSON pointer (RFC 6901) in its parts. @throws AppError BadRequest */
export function parsePointer(text: unknown): string[] {
  if (typeof text !== 'string') throw malformed('a path is missing or no text')
  if (text === '') return []
  if (!text.startsWith('/')) throw malformed(`the path ${quoted(text)} does not begin with "/"`)
  const tokens = text.slice(1).split('/')
  if (tokens.length > maxDepth) throw malformed(`a path has more than ${maxDepth} parts`)
  if (tokens.some((token) => /~(?![01])/.test(token)))
    throw malformed(`the path ${quoted(text)} has a "~" that is neither "~0" nor "~1"`)
  return tokens.map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/**
 * `document` with a JSON patch (RFC 6902) applied; all operations or none. `document` is not changed.
 * @throws AppError BadRequest when it is no patch, TooLarge when it has too many operations, Invalid when one of them
 *   cannot be carried out or a test fails
 */
export function jsonPatch(document: unknown, patch: unknown): unknown {
  const operations = parseOperations(patch)
  const work: Work = { holder: { root: structuredClone(document) }, copies: maxCopied }
  operations.forEach((operation, at) => carryOut(work, operation, `operation ${at} (${operation.op})`))
  return work.holder.root
}

function parseOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) throw malformed('it is not a JSON array')
  if (patch.length > maxOperations) {
    const text = `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`
    throw new AppError('TooLarge', text)
  }
  return patch.map(parseOperation)
}

function parseOperation(operation: unknown): Operation {
  if (!isJsonObject(operation)) throw malformed('an operation is not an object')
  const { op } = operation
  const path = parsePointer(operation['path'])
  if (op === 'remove') return { op, path }
  if (op === 'move' || op === 'copy') return { op, path, from: parsePointer(operation['from']) }
  if (op !== 'add' && op !== 'replace' && op !== 'test') throw malformed(`unknown operation ${quoted(op)}`)
  if (op !== 'test' && !Object.hasOwn(operation, 'value'))
    throw malformed(`an operation "${op}" has no value`)
  return { op, path, value: operation['value'] ?? null }
}

function carryOut(work: Work, operation: Operation, title: string): void {
  const { holder } = work
  const { path } = operation
  if (operation.op === 'add') return insert(holder, path, structuredClone(operation.value), title)
  if (operation.op === 'remove') return remove(holder, path, title)
  if (operation.op === 'replace') return replace(holder, path, structuredClone(operation.value), title)
  if (!('from' in operation)) return test(holder, path, operation.value, title)
  const value = find(holder, operation.from, title)
  if (operation.op === 'copy') return insert(holder, path, copied(work, value, title), title)
  if (startsWith(path, operation.from) && path.length > operation.from.length)
    throw failed(title, 'a value cannot be moved into itself')
  remove(holder, operation.from, title)
  insert(holder, path, value, title)
}

function copied(work: Work, value: unknown, title: string): unknown {
  const text = JSON.stringify(value)
  work.copies -= text.length
  if (work.copies < 0) throw failed(title, 'the patch copies too much')
  return JSON.parse(text)
}

const startsWith = (path: readonly string[], start: readonly string[]) =>
  start.every((token, at) => path[at] === token)

type Holder = Work['holder']
/** Where a value is: a field of an object, or a place in a list. */
type Place = { object: Json; key: string } | { list: unknown[]; at: number }

function find(holder: Holder, path: readonly string[], title: string): unknown {
  let value = holder.root
  for (const [depth, token] of path.entries()) {
    const place = placeIn(value, token, title, path.slice(0, depth + 1))
    value = 'list' in place ? place.list[place.at] : place.object[place.key]
    const isThere = 'list' in place ? place.at < place.list.length : Object.hasOwn(place.object, place.key)
    if (!isThere) throw failed(title, `there is no ${pointer(path.slice(0, depth + 1))}`)
  }
  return value
}

/** The place `path`, in a parent that must exist; `-` is the end of a list. */
function placeOf(holder: Holder, path: readonly string[], title: string): Place {
  const token = path.at(-1)
  if (token === undefined) return { object: holder, key: 'root' }
  return placeIn(find(holder, path.slice(0, -1), title), token, title, path)
}

function placeIn(parent: unknown, token: string, title: string, path: readonly string[]): Place {
  if (isJsonObject(parent)) {
    if (token === '__proto__') throw failed(title, `${pointer(path)} is no name for a field`)
    return { object: parent, key: token }
  }
  if (!Array.isArray(parent)) throw failed(title, `there is no ${pointer(path)}`)
  if (token === '-') return { list: parent, at: parent.length }
  if (!/^(0|[1-9]\d{0,8})$/.test(token)) throw failed(title, `${pointer(path)} is no place in a list`)
  return { list: parent, at: Number(token) }
}

function insert(holder: Holder, path: readonly string[], value: unknown, title: string): void {
  const place = placeOf(holder, path, title)
  if ('object' in place) place.object[place.key] = value
  else if (place.at > place.list.length) throw failed(title, `${pointer(path)} is behind the end of the list`)
  else place.list.splice(place.at, 0, value)
}

function remove(holder: Holder, path: readonly string[], title: string): void {
  find(holder, path, title)
  const place = placeOf(holder, path, title)
  if (path.length === 0) throw failed(title, 'the whole object cannot be removed')
  if ('object' in place) delete place.object[place.key]
  else place.list.splice(place.at, 1)
}

function replace(holder: Holder, path: readonly string[], value: unknown, title: string): void {
  find(holder, path, title)
  const place = placeOf(holder, path, title)
  if ('object' in place) place.object[place.key] = value
  else place.list[place.at] = value
}

/** An absent field equals null: Go clients do not tell them apart. */
function test(holder: Holder, path: readonly string[], value: unknown, title: string): void {
  const place = value === null ? placeOf(holder, path, title) : undefined
  if (place && 'object' in place && !Object.hasOwn(place.object, place.key)) return
  if (!sameJson(find(holder, path, title), value))
    throw failed(title, `testing value ${pointer(path)} failed`)
}

const pointer = (path: readonly string[]) =>
  quoted(path.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''))
const quoted = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 200)

const malformed = (why: string): AppError => new AppError('BadRequest', `error decoding JSON patch: ${why}`)

const failed = (title: string, why: string): AppError => {
  const rejected = 'the server rejected our request due to an error in our request'
  return new AppError('Invalid', rejected, { faults: [{ path: title, message: why }] })
}
