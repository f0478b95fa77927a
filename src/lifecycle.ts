/** A part of the process: runs until `signal` aborts or it fails. */
export type Part = (signal: AbortSignal) => Promise<void>

/** Runs all parts; the first one to end, well or badly, ends the others. Throws the first failure after all ended. */
export async function runTogether(parts: Readonly<Record<string, Part>>, outer: AbortSignal): Promise<void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([outer, stop.signal])
  const running = Object.values(parts).map((part) => part(signal).finally(() => stop.abort()))
  const results = await Promise.allSettled(running)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

/** Resolves when `signal` aborts, at once when it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
