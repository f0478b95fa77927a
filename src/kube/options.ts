import { AppError } from '../model/error.ts'
import type { KubeObject } from '../model/object.ts'
import { fieldSelector } from './field-selector.ts'
import { labelSelector } from './selector.ts'
import type { Selector } from './selector.ts'
import { StatusError } from './status.ts'

/** A query string, decoded. */
export type Query = Readonly<Record<string, string | string[] | undefined>>

/** metav1.ListOptions */
export type ListOptions = {
  selects: Selector
  /** whether `selects` may leave objects out */
  isSelective: boolean
  /** `undefined`: all */
  limit: number | undefined
  continueToken: string | undefined
  watch: boolean
  /** `undefined`: the newest; 0: any */
  resourceVersion: number | undefined
  resourceVersionMatch: 'NotOlderThan' | 'Exact' | undefined
  sendInitialEvents: boolean | undefined
  allowWatchBookmarks: boolean
  timeoutSeconds: number | undefined
}

/** The last value of a parameter; an empty one counts as absent. */
export function parameter(query: Query, name: string): string | undefined {
  const value = query[name]
  const text = Array.isArray(value) ? value.at(-1) : value
  return text === '' ? undefined : text
}

export const isSet = (query: Query, name: string): boolean =>
  ['true', '1'].includes(parameter(query, name) ?? '')

/**
 * @throws AppError BadRequest for a malformed value, StatusError 422 for combinations that Kubernetes forbids
 */
export function listOptions(query: Query, kind: string): ListOptions {
  const initial = parameter(query, 'sendInitialEvents')
  const options: ListOptions = {
    selects: selectorOf(query, kind),
    isSelective: ['labelSelector', 'fieldSelector'].some((name) => parameter(query, name) !== undefined),
    limit: numberOf('limit', parameter(query, 'limit')) || undefined,
    continueToken: parameter(query, 'continue'),
    watch: isSet(query, 'watch'),
    resourceVersion: versionOf(parameter(query, 'resourceVersion')),
    resourceVersionMatch: matchOf(parameter(query, 'resourceVersionMatch')),
    sendInitialEvents: initial === undefined ? undefined : ['true', '1'].includes(initial),
    allowWatchBookmarks: isSet(query, 'allowWatchBookmarks'),
    timeoutSeconds: numberOf('timeoutSeconds', parameter(query, 'timeoutSeconds')),
  }
  const wrong = options.watch ? watchFault(options) : listFault(options)
  if (wrong) throw forbidden(wrong.field, wrong.why)
  return options
}

function selectorOf(query: Query, kind: string): Selector {
  const byLabel = labelSelector(parameter(query, 'labelSelector') ?? '')
  const byField = fieldSelector(parameter(query, 'fieldSelector') ?? '', kind)
  return (object: KubeObject) => byField(object) && byLabel(object)
}

function versionOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value
  throw new AppError('BadRequest', `resourceVersion: Invalid value: "${text}": expected a whole number`)
}

function matchOf(text: string | undefined): ListOptions['resourceVersionMatch'] {
  if (text === undefined || text === 'NotOlderThan' || text === 'Exact') return text
  throw forbidden('resourceVersionMatch', `supported values: "Exact", "NotOlderThan", not "${text}"`)
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new AppError('BadRequest', `${name}: Invalid value: "${text.slice(0, 100)}": expected a whole number`)
}

function listFault(options: ListOptions): { field: string; why: string } | undefined {
  const { resourceVersionMatch: match, resourceVersion: version } = options
  if (options.sendInitialEvents !== undefined)
    return { field: 'sendInitialEvents', why: 'sendInitialEvents is forbidden for list' }
  if (options.continueToken !== undefined) return continueFault(options)
  if (match && version === undefined)
    return {
      field: 'resourceVersionMatch',
      why: 'resourceVersionMatch is forbidden unless resourceVersion is provided',
    }
  if (match === 'Exact' && version === 0)
    return {
      field: 'resourceVersionMatch',
      why: 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"',
    }
  return undefined
}

function continueFault({ resourceVersionMatch: match, resourceVersion: version }: ListOptions) {
  if (match !== undefined)
    return {
      field: 'resourceVersionMatch',
      why: 'resourceVersionMatch is forbidden when continue is provided',
    }
  if (version === undefined || version === 0) return undefined
  throw new AppError('BadRequest', 'specifying resource version is not allowed when using continue')
}

function watchFault(options: ListOptions): { field: string; why: string } | undefined {
  const { resourceVersionMatch: match, sendInitialEvents: initial } = options
  if (match && initial === undefined)
    return {
      field: 'resourceVersionMatch',
      why: 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    }
  if (initial !== undefined && match !== 'NotOlderThan')
    return {
      field: 'resourceVersionMatch',
      why: 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    }
  return undefined
}

function forbidden(field: string, why: string): StatusError {
  const message = `Forbidden: ${why}`
  return new StatusError(422, 'Invalid', `ListOptions.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    group: 'meta.k8s.io',
    kind: 'ListOptions',
    causes: [{ reason: 'FieldValueForbidden', message, field }],
  })
}

/** Refuses a version that the store has not reached: the reader comes from another, or a restored, store. */
export function refuseFuture(wanted: number | undefined, current: number): void {
  if (wanted === undefined || wanted <= current) return
  throw new StatusError(504, 'Timeout', `Too large resource version: ${wanted}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}
