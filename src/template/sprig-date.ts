import { fn } from './func.ts'
import type { FuncTable } from './func.ts'
import {
  calendarOf,
  durationText,
  momentOf,
  months,
  parseDuration,
  secondsOf,
  utc,
  weekdays,
  zeroMoment,
} from './go-time.ts'
import type { Moment } from './go-time.ts'
import { TemplateError } from './limits.ts'
import { formatMoment, parseMoment } from './time-layout.ts'
import { GoStruct, typeName } from './value.ts'
import type { Method, Value } from './value.ts'

const modify = fn(['string', 'any'], (duration, time) => {
  const moment = momentIn(time)
  return timeValue({ ...moment, nanos: moment.nanos + parseDuration(duration) })
})

/** Sprig's functions on times that ask no clock; a text without a zone is UTC. */
export const dateFunctions: FuncTable = {
  toDate: fn(['string', 'string'], (layout, text) => {
    try {
      return timeValue(parseMoment(layout, text))
    } catch (error) {
      if (error instanceof TemplateError) return timeValue(zeroMoment)
      throw error
    }
  }),
  mustToDate: fn(['string', 'string'], (layout, text) => timeValue(parseMoment(layout, text))),
  mustDateModify: modify,
  must_date_modify: modify,
  unixEpoch: fn(['any'], (time) => String(secondsOf(momentIn(time)))),
  duration: fn(['any'], (seconds) => durationText(wholeSeconds(seconds))),
  durationRound: fn(['any'], (value) => roughDuration(nanosOf(value))),
}

const moments = new WeakMap<GoStruct, Moment>()

/** @throws TemplateError when the value is no time */
export function momentIn(value: Value): Moment {
  const moment = value instanceof GoStruct ? moments.get(value) : undefined
  if (moment) return moment
  const found = value === null ? 'nil' : typeName(value)
  throw new TemplateError(`wrong type for value; expected time.Time; got ${found}`)
}

export function isTime(value: Value): boolean {
  return value instanceof GoStruct && moments.has(value)
}

/** A moment as Go's time.Time: prints with its zone, and has its methods. */
export function timeValue(moment: Moment): GoStruct {
  const at = calendarOf(moment)
  const methods = new Map<string, Method>()
  const plain = (name: string, value: () => Value) => methods.set(name, { params: 0, call: value })
  for (const name of ['year', 'day', 'hour', 'minute', 'second'] as const)
    plain((name[0] ?? '').toUpperCase() + name.slice(1), () => BigInt(at[name]))
  plain('Nanosecond', () => BigInt(at.nano))
  plain('YearDay', () => BigInt(at.yearDay))
  plain('Month', () => months[at.month - 1] ?? '')
  plain('Weekday', () => weekdays[at.weekday] ?? '')
  plain('Unix', () => secondsOf(moment))
  plain('UnixMilli', () => secondsOf(moment) * 1000n + BigInt(Math.floor(at.nano / 1_000_000)))
  plain('UnixNano', () => moment.nanos)
  plain('IsZero', () => moment.nanos === zeroMoment.nanos)
  plain('UTC', () => timeValue({ ...moment, zone: utc }))
  const text = formatMoment(moment, '2006-01-02 15:04:05.999999999 -0700 MST').replace(/ $/, ' +0000')
  plain('String', () => text)
  methods.set('Format', { params: 1, call: (layout = null) => formatMoment(moment, textIn(layout)) })
  methods.set('AddDate', {
    params: 3,
    call: (...by) => {
      const [years = 0, more = 0, days = 0] = by.map(smallInt)
      const shown = { ...at, year: at.year + years, month: at.month + more, day: at.day + days }
      return timeValue(momentOf(shown, moment.zone))
    },
  })
  const compared = (name: string, test: (other: bigint) => boolean) =>
    methods.set(name, { params: 1, call: (other = null) => test(momentIn(other).nanos) })
  compared('Before', (other) => moment.nanos < other)
  compared('After', (other) => moment.nanos > other)
  compared('Equal', (other) => moment.nanos === other)
  const value = new GoStruct('time.Time', new Map(), { methods, text })
  moments.set(value, moment)
  return value
}

function textIn(value: Value): string {
  if (typeof value === 'string') return value
  throw new TemplateError('wrong type for value; expected string')
}

function smallInt(value: Value): number {
  if (typeof value === 'bigint' && value > -1_000_000n && value < 1_000_000n) return Number(value)
  throw new TemplateError('wrong type for value; expected a small int')
}

function wholeSeconds(value: Value): bigint {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value)
  return typeof value === 'string' && /^[+-]?\d{1,18}$/.test(value) ? BigInt(value.replace('+', '')) : 0n
}

/** Nanoseconds of a duration's text or number; 0 for anything else. */
function nanosOf(value: Value): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value !== 'string') return 0n
  try {
    return parseDuration(value)
  } catch {
    return 0n
  }
}

const secondNanos = 1_000_000_000n
const units: readonly (readonly [string, bigint])[] = [
  ['y', 365n * 86_400n],
  ['mo', 30n * 86_400n],
  ['d', 86_400n],
  ['h', 3600n],
  ['m', 60n],
  ['s', 1n],
]

/** The largest unit of which there is more than one whole, `2h`; `0s` below a second. */
export function roughDuration(nanos: bigint): string {
  const size = nanos < 0n ? -nanos : nanos
  const found = units.find(([, seconds]) => size > seconds * secondNanos)
  return found ? `${size / (found[1] * secondNanos)}${found[0]}` : '0s'
}
