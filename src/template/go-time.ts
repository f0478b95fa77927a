import { TemplateError } from './limits.ts'

/** A moment: nanoseconds since 1970 UTC, and the zone that it is written in. */
export type Moment = { nanos: bigint; zone: Zone }
/** Offset in seconds east of UTC, and what `MST` in a layout writes. */
export type Zone = { offset: number; name: string }
export type Calendar = {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  nano: number
  weekday: number
  yearDay: number
}

export const utc: Zone = { offset: 0, name: 'UTC' }
const billion = 1_000_000_000n
const zeroSeconds = -62_135_596_800n
/** Go's zero time, 0001-01-01. */
export const zeroMoment: Moment = { nanos: zeroSeconds * billion, zone: utc }

export const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
export const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

export function secondsOf({ nanos }: Moment): bigint {
  return (nanos - (((nanos % billion) + billion) % billion)) / billion
}

/** The date and time of day that a clock in the moment's zone shows. */
export function calendarOf(moment: Moment): Calendar {
  const seconds = secondsOf(moment)
  const date = new Date((Number(seconds) + moment.zone.offset) * 1000)
  if (Number.isNaN(date.getTime())) throw new TemplateError('time is outside of the calendar')
  const year = date.getUTCFullYear()
  const start = new Date(0)
  start.setUTCFullYear(year, 0, 1)
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    nano: Number(moment.nanos - seconds * billion),
    weekday: date.getUTCDay(),
    yearDay: Math.floor((date.getTime() - start.getTime()) / 86_400_000) + 1,
  }
}

/** The moment at which clocks in `zone` show this; days and months beyond their bounds carry over. */
export function momentOf(
  shown: Pick<Calendar, 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'nano'>,
  zone: Zone,
): Moment {
  const date = new Date(0)
  date.setUTCFullYear(shown.year, shown.month - 1, shown.day)
  date.setUTCHours(shown.hour, shown.minute, shown.second)
  if (Number.isNaN(date.getTime())) throw new TemplateError('time is outside of the calendar')
  const seconds = BigInt(date.getTime() / 1000 - zone.offset)
  return { nanos: seconds * billion + BigInt(shown.nano), zone }
}

const unitNanos: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: billion,
  m: 60n * billion,
  h: 3600n * billion,
}

/** Go's ParseDuration, `-1h30m`, `1.5s`: nanoseconds. @throws TemplateError */
export function parseDuration(text: string): bigint {
  const refuse = () => new TemplateError(`time: invalid duration ${JSON.stringify(text.slice(0, 40))}`)
  const match = /^([+-]?)(0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text)
  if (!match || text.length > 100) throw refuse()
  let total = 0n
  for (const [, whole = '', places = '', unit = ''] of text.matchAll(
    /(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g,
  )) {
    const size = unitNanos[unit] ?? 0n
    total += BigInt(whole || '0') * size + (BigInt(places || '0') * size) / 10n ** BigInt(places.length)
  }
  if (total >= 2n ** 63n) throw refuse()
  return match[1] === '-' ? -total : total
}

/** Go's text of a duration of whole seconds: `1h0m5s`. */
export function durationText(seconds: bigint): string {
  const size = seconds < 0n ? -seconds : seconds
  const hours = size / 3600n
  const minutes = (size / 60n) % 60n
  const sign = seconds < 0n ? '-' : ''
  if (hours > 0n) return `${sign}${hours}h${minutes}m${size % 60n}s`
  return minutes > 0n ? `${sign}${minutes}m${size % 60n}s` : `${sign}${size}s`
}
