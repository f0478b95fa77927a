/** How many bytes of an action were done at a moment, epoch ms. */
export type Sample = { readonly at: number; readonly doneBytes: number }

/** Bytes of a running action; `totalBytes` 0 = not known. */
export type Progress = { readonly doneBytes: number; readonly totalBytes: number }

/** The rate is the mean over this long, ms. */
const windowMs = 8000
/** Less than this is too short to tell a rate from, ms. */
const leastMs = 900
const mostSeconds = 100 * 3600

/**
 * The samples that the rate is told from, oldest first, with one more. An action that was started again (fewer bytes
 * than before) and a clock that was set back begin anew.
 */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1)
  if (last && (sample.doneBytes < last.doneBytes || sample.at < last.at)) return [sample]
  const begin = samples.findLastIndex(({ at }) => at <= sample.at - windowMs)
  return [...samples.slice(Math.max(begin, 0)), sample]
}

/** Bytes per second over the last seconds; `undefined` before there is enough to tell. */
export function rateOf(samples: readonly Sample[]): number | undefined {
  const [first, last] = [samples[0], samples.at(-1)]
  if (!first || !last || last.at - first.at < leastMs) return undefined
  return ((last.doneBytes - first.doneBytes) / (last.at - first.at)) * 1000
}

/** Seconds until all bytes are done at this rate; `undefined` when that cannot be said. */
export function secondsLeft(
  { doneBytes, totalBytes }: Progress,
  rate: number | undefined,
): number | undefined {
  if (rate === undefined || rate <= 0 || totalBytes <= 0) return undefined
  const seconds = Math.ceil(Math.max(0, totalBytes - doneBytes) / rate)
  return seconds < mostSeconds ? seconds : undefined
}

/** Whole percent, 0 to 100; `undefined` without a total. 100 is said of all bytes only. */
export function percentOf({ doneBytes, totalBytes }: Progress): number | undefined {
  if (totalBytes <= 0) return undefined
  return Math.min(100, Math.floor((doneBytes / totalBytes) * 100))
}

/** What a server says of an action's bytes; anything but a count of bytes is 0. */
export function progressFrom(said: { doneBytes?: unknown; totalBytes?: unknown }): Progress {
  const count = (value: unknown) =>
    typeof value === 'number' && Number.isFinite(value) ? Math.max(0, value) : 0
  return { doneBytes: count(said.doneBytes), totalBytes: count(said.totalBytes) }
}

/** `52%`, `1.2 GB of 2.3 GB`, `104.0 MB/s`, `11s left`: those that are known, the most telling first. */
export function progressParts(progress: Progress, rate: number | undefined): string[] {
  const { doneBytes, totalBytes } = progress
  const percent = percentOf(progress)
  const left = secondsLeft(progress, rate)
  const isStalled = rate === 0 && percent !== 100
  return [
    ...(percent === undefined ? [] : [`${percent}%`]),
    totalBytes > 0 ? `${bytesText(doneBytes)} of ${bytesText(totalBytes)}` : bytesText(doneBytes),
    ...(rate === undefined ? [] : [isStalled ? 'stalled' : `${bytesText(rate)}/s`]),
    ...(left === undefined || left === 0 ? [] : [`${durationText(left)} left`]),
  ]
}

/** What a bar is drawn with. */
export type Marks = { full: string; empty: string }

export const blockMarks: Marks = { full: '█', empty: '░' }
export const plainMarks: Marks = { full: '#', empty: '-' }

const widest = 30
const narrowest = 8

/**
 * `title  ████░░░░  52%  1.2 GB of 2.3 GB  …` in at most `columns`. Where there is too little room the bar becomes
 * shorter, then the last parts go, then the bar, then the end of the title.
 */
export function barLine(
  title: string,
  parts: readonly string[],
  { percent, columns, marks }: { percent: number | undefined; columns: number; marks: Marks },
): string {
  const gap = '  '
  const roomFor = (shown: readonly string[]) => columns - [title, '', ...shown].join(gap).length
  let shown = [...parts]
  if (percent !== undefined) {
    while (shown.length > 1 && roomFor(shown) < narrowest) shown = shown.slice(0, -1)
    const room = Math.min(roomFor(shown), widest)
    if (room >= narrowest) return [title, bar(percent, room, marks), ...shown].join(gap)
  }
  shown = [...parts]
  while (shown.length > 1 && [title, ...shown].join(gap).length > columns) shown = shown.slice(0, -1)
  const tail = shown.join(gap)
  return [cut(title, columns - tail.length - gap.length), tail].join(gap).slice(0, Math.max(columns, 0))
}

function bar(percent: number, width: number, { full, empty }: Marks): string {
  const filled = Math.floor((percent * width) / 100)
  return full.repeat(filled) + empty.repeat(width - filled)
}

/** The beginning of `text`, with `…` for what is left out. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text
  return width <= 1 ? '' : `${text.slice(0, width - 1)}…`
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** Bytes in powers of 1000: `512 B`, `1.2 GB`. */
export function bytesText(bytes: number): string {
  let [value, unit] = [bytes, 0]
  while (value >= 999.95 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `8s`, `2m05s`, `1h03m`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`
}
