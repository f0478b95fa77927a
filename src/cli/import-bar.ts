import type { CliDeps } from './command.ts'
import { liveRegion } from './live.ts'
import { barLine, percentOf, progressParts, rateOf, withSample } from './progress.ts'
import type { Sample } from './progress.ts'
import { marksOf } from './screen.ts'

/** What the server says while it imports: `reading` counts bytes (`total` 0 = not known), `storing` rows. */
export type ImportProgress = { phase: string; rows: number; done: number; total: number }

/** A bar on the terminal's standard error, so that the result can go elsewhere; nothing where there is no terminal. */
export function createImportBar(deps: Pick<CliDeps, 'stderr' | 'now' | 'env'>) {
  const { stderr, now, env } = deps
  if (!stderr.isTTY || env['TERM'] === 'dumb') return { show: () => {}, end: () => {} }
  const region = liveRegion(stderr)
  const marks = marksOf(env)
  let samples: readonly Sample[] = []
  return {
    show({ phase, rows, done, total }: ImportProgress): void {
      if (phase !== 'reading' && phase !== 'storing') return
      const progress = { doneBytes: done, totalBytes: total }
      const look = { percent: percentOf(progress), columns: (stderr.columns || 80) - 1, marks }
      if (phase === 'reading') {
        samples = withSample(samples, { at: now(), doneBytes: done })
        region.draw([barLine('reading', [...progressParts(progress, rateOf(samples)), `${rows} rows`], look)])
      } else region.draw([barLine('storing', [`${look.percent ?? 0}%`, `${done} of ${total} rows`], look)])
    },
    end: region.end,
  }
}
