const parts = /(\d+(?:\.\d+)?)(ms|h|m|s)/gy
const secondsOf: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 }

/** A duration as Go writes it (`1m30s`, `500ms`), or whole seconds, in seconds; `undefined` when it is none. */
export function parseDuration(text: string): number | undefined {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  let seconds = 0
  let end = 0
  for (const { 0: whole, 1: number = '', 2: unit = '', index } of text.matchAll(parts)) {
    seconds += Number(number) * secondsOf[unit]!
    end = index + whole.length
  }
  return end > 0 && end === text.length ? seconds : undefined
}
