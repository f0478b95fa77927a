/**
 * How long to wait before the next try: doubles from 0.5 s to 5 s, of which a random part of up to half is taken off,
 * so that a thousand machines do not come back in one instant.
 * @param failures how many tries in a row have failed, 0 = the first wait
 * @param random 0 ≤ random < 1
 * @returns milliseconds
 */
export function backoffMs(failures: number, random: number): number {
  const full = Math.min(5000, 500 * 2 ** Math.min(failures, 10))
  return Math.max(500, Math.round(full * (1 - random / 2)))
}
