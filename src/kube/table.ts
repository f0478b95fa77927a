import type { Column } from '../model/column.ts'
import type { KindInfo } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'

/** What goes into a row's `object`. */
export type RowObject = 'Metadata' | 'None' | 'Object'

export type TableStyle = {
  /** `v1` or `v1beta1` of meta.k8s.io */
  version: string
  include: RowObject
}

const types = { text: 'string', integer: 'integer', age: 'date', name: 'string' } as const

/** metav1.TableColumnDefinition of each column. */
export function columnDefinitions({ columns }: KindInfo): object[] {
  return columns.map(({ name, from, priority, as = 'text' }) => ({
    name,
    type: types[as],
    format: as === 'name' ? 'name' : '',
    description: typeof from === 'string' ? from : name,
    priority,
  }))
}

/**
 * metav1.Table of `objects`.
 * @param now epoch ms, for the ages
 * @param headers false leaves the columns out (events of a watch after the first)
 */
export function tableOf(
  info: KindInfo,
  objects: readonly KubeObject[],
  version: string,
  style: TableStyle & { now: number; headers: boolean },
): object {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${style.version}`,
    metadata: { resourceVersion: version },
    columnDefinitions: style.headers ? columnDefinitions(info) : [],
    rows: objects.map((object) => row(info, object, style)),
  }
}

function row(info: KindInfo, object: KubeObject, style: TableStyle & { now: number }): object {
  const cells = cellsOf(info.columns, object, style.now)
  if (style.include === 'None') return { cells }
  return { cells, object: style.include === 'Object' ? object : partialMetadata(object, style.version) }
}

/** metav1.PartialObjectMetadata of an object. */
export function partialMetadata(object: KubeObject, version = 'v1'): object {
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata }
}

type Cell = string | number | boolean | null

/**
 * Values of `columns` in `object`; null where there is none.
 * @param now epoch ms
 */
export function cellsOf(columns: readonly Column[], object: KubeObject, now: number): Cell[] {
  return columns.map(({ from, as }) => {
    const value = typeof from === 'string' ? valueAt(object, from) : from(object)
    if (as === 'age') return ageOf(value, now)
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
    return value === undefined || value === null ? null : JSON.stringify(value)
  })
}

function valueAt(object: KubeObject, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (at, key) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined),
      object,
    )
}

/**
 * Time since `time` as kubectl writes it.
 * @param time RFC 3339
 */
export function ageOf(time: unknown, now: number): string {
  const then = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return Number.isNaN(then) ? '<unknown>' : humanDuration((now - then) / 1000)
}

/** A span in the two units that matter (k8s.io/apimachinery duration.HumanDuration): `45s`, `3m20s`, `5h`, `2d3h`. */
export function humanDuration(seconds: number): string {
  const whole = Math.floor(seconds)
  if (whole < -1) return '<invalid>'
  const minutes = Math.floor(whole / 60)
  const hours = Math.floor(whole / 3600)
  const days = Math.floor(hours / 24)
  const years = Math.floor(days / 365)
  const pair = (big: number, unit: string, small: number, rest: string) =>
    small === 0 ? `${big}${unit}` : `${big}${unit}${small}${rest}`
  if (whole < 120) return `${Math.max(whole, 0)}s`
  if (minutes < 10) return pair(minutes, 'm', whole % 60, 's')
  if (hours < 3) return `${minutes}m`
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  if (days < 8) return pair(days, 'd', hours % 24, 'h')
  if (years < 2) return `${days}d`
  return years < 8 ? pair(years, 'y', days % 365, 'd') : `${years}y`
}
