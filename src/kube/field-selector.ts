import { AppError } from '../model/error.ts'
import type { Event } from '../model/event.ts'
import type { Namespace } from '../model/namespace.ts'
import type { KubeObject } from '../model/object.ts'
import type { Secret } from '../model/secret.ts'
import type { Selector } from './selector.ts'

type FieldOf = (object: KubeObject) => string | undefined

const everywhere: Readonly<Record<string, FieldOf>> = {
  'metadata.name': ({ metadata }) => metadata.name,
  'metadata.namespace': ({ metadata }) => metadata.namespace,
}

const involved = ['apiVersion', 'kind', 'namespace', 'name', 'uid', 'resourceVersion', 'fieldPath'] as const

const ofKind: Readonly<Record<string, Readonly<Record<string, FieldOf>>>> = {
  Event: {
    ...Object.fromEntries(
      involved.map((name): [string, FieldOf] => [
        `involvedObject.${name}`,
        (event) => (event as Event).involvedObject?.[name],
      ]),
    ),
    type: (event) => (event as Event).type,
    reason: (event) => (event as Event).reason,
    reportingComponent: (event) => (event as Event).reportingComponent,
    source: (event) => (event as Event).source?.component ?? (event as Event).reportingComponent,
  },
  Secret: { type: (secret) => (secret as Secret).type },
  Namespace: { 'status.phase': (namespace) => (namespace as Namespace).status?.phase },
}

const maxTerms = 100

/**
 * A field selector: `field=value`, `==` or `!=`, joined by commas; in a value `\` makes `,`, `=` and `\` plain. An absent
 * field is an empty one.
 * @throws AppError BadRequest for a field by which objects of `kind` cannot be selected
 */
export function fieldSelector(text: string, kind: string): Selector {
  const terms = text.match(/(?:\\.|[^\\,])+/g) ?? []
  if (terms.length > maxTerms)
    throw new AppError(
      'BadRequest',
      `field selector with ${terms.length} terms, expected at most ${maxTerms}`,
    )
  const tests = terms.map((term) => testOf(term.trim(), kind))
  return (object) => tests.every((holds) => holds(object))
}

function testOf(term: string, kind: string): Selector {
  const match = /^([^=!\\]+)(==|=|!=)(.*)$/s.exec(term)
  if (!match)
    throw new AppError('BadRequest', `invalid field selector: ${JSON.stringify(term.slice(0, 100))}`)
  const [, field = '', operator, raw = ''] = match
  const known = { ...everywhere, ...(Object.hasOwn(ofKind, kind) ? ofKind[kind] : {}) }
  const fieldOf = Object.hasOwn(known, field) ? known[field] : undefined
  if (!fieldOf) {
    const supported = Object.keys(known).join(', ')
    throw new AppError(
      'BadRequest',
      `field label not supported: ${field.slice(0, 100)}; supported are ${supported}`,
    )
  }
  const value = valueOf(raw)
  return (object) => ((fieldOf(object) ?? '') === value) === (operator !== '!=')
}

function valueOf(raw: string): string {
  if (/\\(?![\\,=])|\\$/.test(raw.replaceAll('\\\\', '')) || /[=]/.test(raw.replace(/\\./g, '')))
    throw new AppError('BadRequest', `invalid value in field selector: ${JSON.stringify(raw.slice(0, 100))}`)
  return raw.replace(/\\(.)/g, '$1')
}
