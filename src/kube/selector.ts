import { AppError } from '../model/error.ts'
import type { KubeObject } from '../model/object.ts'

/** Whether an object is asked for. */
export type Selector = (object: KubeObject) => boolean

type Requirement = (labels: Readonly<Record<string, string>>) => boolean

/**
 * A label selector in the grammar of Kubernetes: `key`, `!key`, `key=v`, `key==v`, `key!=v`, `key in (a,b)`,
 * `key notin (a,b)`, `key>1`, `key<1`, joined by commas. `!=` and `notin` also take objects without the key.
 * @throws AppError BadRequest
 */
export function labelSelector(text: string): Selector {
  const requirements = parseRequirements(text)
  return (object) => {
    const labels = object.metadata.labels ?? {}
    return requirements.every((holds) => holds(labels))
  }
}

const keyPattern = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const valuePattern = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/

/** Whether `text` may be the key of a label: optional DNS prefix, then at most 63 characters. */
export const isLabelKey = (text: string): boolean => text.length <= 317 && keyPattern.test(text)

/** Whether `text` may be the value of a label. */
export const isLabelValue = (text: string): boolean => valuePattern.test(text)

function parseRequirements(text: string): Requirement[] {
  const tokens = text.match(/[(),]|==|!=|=|!|<|>|[^\s(),=!<>]+/g) ?? []
  const reader = { tokens, at: 0 }
  const requirements: Requirement[] = []
  if (tokens.length === 0) return requirements
  do requirements.push(requirement(reader))
  while (take(reader, ','))
  if (reader.at < tokens.length) throw malformed(`found "${tokens[reader.at]}", expected: "," or the end`)
  return requirements
}

type Reader = { tokens: readonly string[]; at: number }

function take(reader: Reader, token: string): boolean {
  if (reader.tokens[reader.at] !== token) return false
  reader.at++
  return true
}

const isWord = (token: string | undefined): token is string =>
  token !== undefined && !/^[(),=!<>]/.test(token)

function requirement(reader: Reader): Requirement {
  const absent = take(reader, '!')
  const key = reader.tokens[reader.at++]
  if (!isWord(key) || !isLabelKey(key)) throw malformed(`"${key ?? ''}" is not a label key`)
  if (absent) return (labels) => !Object.hasOwn(labels, key)
  const operator = reader.tokens[reader.at]
  if (operator === undefined || operator === ',') return (labels) => Object.hasOwn(labels, key)
  reader.at++
  return operation(key, operator, reader)
}

function operation(key: string, operator: string, reader: Reader): Requirement {
  const valueOf = (labels: Readonly<Record<string, string>>) =>
    Object.hasOwn(labels, key) ? labels[key] : undefined
  if (operator === 'in' || operator === 'notin') {
    const values = valueSet(reader)
    const wanted = operator === 'in'
    return (labels) => {
      const value = valueOf(labels)
      return (value !== undefined && values.has(value)) === wanted
    }
  }
  if (operator === '=' || operator === '==' || operator === '!=') {
    const value = oneValue(reader)
    const wanted = operator !== '!='
    return (labels) => (valueOf(labels) === value) === wanted
  }
  if (operator === '<' || operator === '>') {
    const bound = Number(oneValue(reader))
    if (!Number.isInteger(bound)) throw malformed(`"${key}${operator}" needs a whole number`)
    return (labels) => {
      const value = valueOf(labels)
      if (value === undefined || !/^-?\d+$/.test(value)) return false
      return operator === '<' ? Number(value) < bound : Number(value) > bound
    }
  }
  throw malformed(`found "${operator}", expected: in, notin, =, ==, !=, <, >`)
}

/** The next word; nothing before a comma or the end is the empty value (`key=`). */
function oneValue(reader: Reader): string {
  const token = reader.tokens[reader.at]
  if (!isWord(token)) return ''
  reader.at++
  if (!isLabelValue(token)) throw malformed(`"${token}" is not a label value`)
  return token
}

function valueSet(reader: Reader): ReadonlySet<string> {
  if (!take(reader, '(')) throw malformed(`found "${reader.tokens[reader.at] ?? ''}", expected: "("`)
  const values = new Set<string>()
  do values.add(oneValue(reader))
  while (take(reader, ','))
  if (!take(reader, ')')) throw malformed(`found "${reader.tokens[reader.at] ?? ''}", expected: ")"`)
  return values
}

const malformed = (why: string): AppError =>
  new AppError('BadRequest', `unable to parse label selector: ${why}`)
