import { calendarOf, momentOf, months, utc, weekdays } from './go-time.ts'
import type { Calendar, Moment, Zone } from './go-time.ts'
import { TemplateError } from './limits.ts'
import { TextBuilder } from './text-builder.ts'

/** What in a layout stands for a part of Go's reference time, Mon Jan 2 15:04:05 MST 2006. */
const parts =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|__2|_2(?!006)|2|3|4|5|PM|pm|[-Z]07:00:00|[-Z]070000|[-Z]07:00|[-Z]0700|[-Z]07|[.,](?:0+|9+)(?!\d)/g

const padded = (value: number, width = 2, fill = '0') => String(value).padStart(width, fill)
const hour12 = (hour: number) => hour % 12 || 12

const writers: Readonly<Record<string, (at: Calendar, zone: Zone) => string>> = {
  January: ({ month }) => months[month - 1] ?? '',
  Jan: ({ month }) => (months[month - 1] ?? '').slice(0, 3),
  '1': ({ month }) => String(month),
  '01': ({ month }) => padded(month),
  Monday: ({ weekday }) => weekdays[weekday] ?? '',
  Mon: ({ weekday }) => (weekdays[weekday] ?? '').slice(0, 3),
  '2': ({ day }) => String(day),
  _2: ({ day }) => padded(day, 2, ' '),
  '02': ({ day }) => padded(day),
  __2: ({ yearDay }) => padded(yearDay, 3, ' '),
  '002': ({ yearDay }) => padded(yearDay, 3),
  '15': ({ hour }) => padded(hour),
  '3': ({ hour }) => String(hour12(hour)),
  '03': ({ hour }) => padded(hour12(hour)),
  '4': ({ minute }) => String(minute),
  '04': ({ minute }) => padded(minute),
  '5': ({ second }) => String(second),
  '05': ({ second }) => padded(second),
  '2006': ({ year }) => padded(year, 4),
  '06': ({ year }) => padded(year % 100),
  PM: ({ hour }) => (hour >= 12 ? 'PM' : 'AM'),
  pm: ({ hour }) => (hour >= 12 ? 'pm' : 'am'),
  MST: (_, { name }) => name,
}

/** A moment by a Go layout, `2006-01-02T15:04:05Z07:00`. */
export function formatMoment(moment: Moment, layout: string): string {
  const at = calendarOf(moment)
  const out = new TextBuilder()
  let end = 0
  for (const { 0: part, index } of layout.matchAll(parts)) {
    out.add(layout.slice(end, index))
    end = index + part.length
    const write = writers[part]
    if (write) out.add(write(at, moment.zone))
    else out.add(/^[.,]/.test(part) ? fraction(part, at.nano) : offsetText(part, moment.zone.offset))
  }
  out.add(layout.slice(end))
  return out.text()
}

/** `.000` keeps its zeros, `.999` leaves them out. */
function fraction(part: string, nano: number): string {
  const digits = padded(nano, 9).slice(0, part.length - 1)
  const kept = part[1] === '9' ? digits.replace(/0+$/, '') : digits
  return kept === '' ? '' : part[0] + kept
}

function offsetText(part: string, offset: number): string {
  if (part.startsWith('Z') && offset === 0) return 'Z'
  const size = Math.abs(offset)
  const colon = part.includes(':') ? ':' : ''
  const [hours, minutes, seconds] = [size / 3600, (size / 60) % 60, size % 60].map((n) =>
    padded(Math.floor(n)),
  )
  const count = part.replaceAll(':', '').length
  const text = (offset < 0 ? '-' : '+') + hours
  if (count === 3) return text
  return text + colon + minutes + (count === 7 ? colon + seconds : '')
}

type Read = { year: number; month: number; day: number; yearDay: number | undefined } & {
  hour: number
  minute: number
  second: number
  nano: number
  half: 'am' | 'pm' | undefined
  zone: Zone
}

const twoDigits = /^\d\d/
const oneOrTwo = /^\d\d?/
const patterns: Readonly<Record<string, RegExp>> = {
  January: new RegExp(`^(?:${months.join('|')})`, 'i'),
  Jan: new RegExp(`^(?:${months.map((name) => name.slice(0, 3)).join('|')})`, 'i'),
  Monday: new RegExp(`^(?:${weekdays.join('|')})`, 'i'),
  Mon: new RegExp(`^(?:${weekdays.map((name) => name.slice(0, 3)).join('|')})`, 'i'),
  '2006': /^\d{4}/,
  '06': twoDigits,
  '01': twoDigits,
  '1': oneOrTwo,
  '02': twoDigits,
  '2': oneOrTwo,
  _2: /^ ?\d\d?/,
  '002': /^\d{3}/,
  __2: /^ {0,2}\d{1,3}/,
  '15': oneOrTwo,
  '03': twoDigits,
  '3': oneOrTwo,
  '04': twoDigits,
  '4': oneOrTwo,
  '05': twoDigits,
  '5': oneOrTwo,
  PM: /^[AP]M/,
  pm: /^[ap]m/,
  MST: /^(?:[A-Z]{3,5}|[+-]\d\d)/,
}

/** Reads a moment by a Go layout; without a zone in the text it is in `zone`. @throws TemplateError */
export function parseMoment(layout: string, text: string, zone: Zone = utc): Moment {
  const refuse = (at: string): never => {
    const shown = (value: string) => JSON.stringify(value.slice(0, 40))
    throw new TemplateError(`parsing time ${shown(text)} as ${shown(layout)}: cannot parse ${shown(at)}`)
  }
  const read: Read = {
    year: 0,
    month: 1,
    day: 1,
    yearDay: undefined,
    hour: 0,
    minute: 0,
    second: 0,
    nano: 0,
    half: undefined,
    zone,
  }
  let rest = text
  let end = 0
  const literal = (expected: string) => {
    if (!rest.startsWith(expected)) refuse(rest)
    rest = rest.slice(expected.length)
  }
  for (const { 0: part, index } of layout.matchAll(parts)) {
    literal(layout.slice(end, index))
    end = index + part.length
    const found = (patterns[part] ?? otherPattern(part)).exec(rest)?.[0] ?? refuse(rest)
    rest = rest.slice(found.length)
    take(read, part, found)
    const extra = /^[.,]\d+/.exec(rest)?.[0]
    if (extra && (part === '5' || part === '05') && !/^[.,][09]/.test(layout.slice(end))) {
      read.nano = nanoOf(extra)
      rest = rest.slice(extra.length)
    }
  }
  literal(layout.slice(end))
  if (rest !== '') refuse(rest)
  return checkedMoment(read) ?? refuse(text)
}

function otherPattern(part: string): RegExp {
  if (/^[.,]9/.test(part)) return /^(?:[.,]\d+)?/
  if (/^[.,]/.test(part)) return new RegExp(`^[.,]\\d{${part.length - 1}}`)
  const digits = part.slice(1).replace(/\d/g, '\\d')
  return new RegExp(`^(?:${part.startsWith('Z') ? 'Z|' : ''}[+-]${digits})`)
}

const nanoOf = (text: string) => Number(text.slice(1, 10).padEnd(9, '0'))

function take(read: Read, part: string, found: string): void {
  const number = Number(found)
  const name = found.slice(0, 3).toLowerCase()
  if (part === '2006') read.year = number
  else if (part === '06') read.year = number >= 69 ? 1900 + number : 2000 + number
  else if (part === '01' || part === '1') read.month = number
  else if (part.startsWith('Jan'))
    read.month = months.findIndex((month) => month.toLowerCase().startsWith(name)) + 1
  else if (part === '02' || part === '2' || part === '_2') read.day = number
  else if (part === '002' || part === '__2') read.yearDay = number
  else if (part === '15' || part === '03' || part === '3') read.hour = number
  else if (part === '04' || part === '4') read.minute = number
  else if (part === '05' || part === '5') read.second = number
  else if (part === 'PM' || part === 'pm') read.half = found.toLowerCase() as 'am' | 'pm'
  else if (part === 'MST') read.zone = found === 'UTC' ? utc : { offset: 0, name: found }
  else if (/^[.,]/.test(part)) read.nano = nanoOf(found)
  else if (/^[-Z]/.test(part)) read.zone = zoneOf(found)
}

function zoneOf(found: string): Zone {
  if (found === 'Z') return utc
  const [hours = 0, minutes = 0, seconds = 0] = (found.match(/\d\d/g) ?? []).map(Number)
  const size = hours * 3600 + minutes * 60 + seconds
  const offset = found.startsWith('-') ? -size : size
  return offset === 0 ? utc : { offset, name: '' }
}

function checkedMoment(read: Read): Moment | undefined {
  const { half, yearDay, hour } = read
  const hour24 = half === 'pm' && hour < 12 ? hour + 12 : half === 'am' && hour === 12 ? 0 : hour
  if (hour24 > 23 || read.minute > 59 || read.second > 59) return undefined
  const date = yearDay === undefined ? read : { ...read, month: 1, day: yearDay }
  const moment = momentOf({ ...date, hour: hour24 }, read.zone)
  const shown = calendarOf(moment)
  const isReal = shown.year === date.year && (yearDay !== undefined || shown.month === date.month)
  return isReal && date.day > 0 ? moment : undefined
}
