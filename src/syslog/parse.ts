/** RFC 5424 §6.2.1, in order. */
export const severities = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const

export type Severity = (typeof severities)[number]

/** One message. What the sender left out is missing; `text` may be empty. */
export type SyslogMessage = {
  severity: Severity
  /** 0 to 23 */
  facility: number
  /** as the sender wrote it: its clock may be anything */
  time?: string
  host?: string
  app?: string
  pid?: string
  text: string
}

/** octets of a datagram that are looked at; RFC 5424 §6.1 asks receivers for 2048 */
const longest = 2048

/** Neither control characters, nor marks that turn a terminal's text around. */
const unprintable = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu

const utf8 = new TextDecoder('utf-8')

/**
 * Reads a datagram as RFC 5424 or as RFC 3164, which describes what is common and asks for nothing: everything else is
 * text. Never throws.
 */
export function parseSyslog(bytes: Uint8Array): SyslogMessage {
  const raw = utf8.decode(bytes.subarray(0, longest)).replace(/[\0\r\n]+$/, '')
  const [head = '', digits] = /^<(\d{1,3})>/.exec(raw) ?? []
  const priority = digits === undefined || Number(digits) > 191 ? undefined : Number(digits)
  // RFC 3164 §4.3.3: without a priority it is user.notice
  const { facility, severity } = split(priority ?? 13)
  const rest = priority === undefined ? raw : raw.slice(head.length)
  return {
    severity,
    facility,
    ...(priority !== undefined && rest.startsWith('1 ') ? modern(rest) : old(rest)),
  }
}

const split = (priority: number) => ({ facility: priority >> 3, severity: severities[priority & 7]! })

type Rest = Omit<SyslogMessage, 'severity' | 'facility'>

/** `1 time host app pid id data text`, RFC 5424 §6; `-` is nothing. */
function modern(text: string): Rest {
  const [, time, host, app, pid, , rest = ''] = /^1 (\S+) (\S+) (\S+) (\S+) (\S+) ?(.*)$/s.exec(text) ?? []
  if (time === undefined) return { text: clean(text) }
  return { ...named({ time, host, app, pid }), text: clean(afterData(rest).replace(/^\uFEFF/, '')) }
}

/** What comes after the structured data, in which `]` may be escaped (RFC 5424 §6.3.3). */
function afterData(text: string): string {
  if (text === '-' || text.startsWith('- ')) return text.slice(2)
  const data = /^(?:\[(?:[^\]\\"]|"(?:[^"\\]|\\.)*")*\])+ ?/s.exec(text)
  return data ? text.slice(data[0].length) : text
}

const date = /^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S{8,26}) /

const tagged = /^()([^\s:[\]]{1,48})(?:\[([^\]\s]{1,64})\])?: ?(.*)$/s
const hosted = /^(?:([^\s:[\]]{1,255}) )?([^\s:[\]]{1,48})(?:\[([^\]\s]{1,64})\])?: ?(.*)$/s

/** `Mmm dd hh:mm:ss host tag[pid]: text`, RFC 3164 §4.1; time, host and tag may each be missing, the host with the time. */
function old(text: string): Rest {
  const [stamp = '', time] = date.exec(text) ?? []
  const rest = text.slice(stamp.length)
  const parts = (time === undefined ? tagged : hosted).exec(rest)
  if (!parts) return { ...named({ time }), text: clean(rest) }
  const [, host, app, pid, said = ''] = parts
  return { ...named({ time, host, app, pid }), text: clean(said) }
}

function named(fields: Readonly<Record<string, string | undefined>>): Partial<Rest> {
  const known = Object.entries(fields).flatMap(([name, value]) => {
    const text = value === undefined || value === '-' ? '' : clean(value).slice(0, 64)
    return text === '' ? [] : [[name, text]]
  })
  return Object.fromEntries(known) as Partial<Rest>
}

const clean = (text: string): string => text.replace(unprintable, ' ').trim()
