import { describe } from '../timeline/describe.ts'
import type { TimelineEntry } from '../timeline/stage.ts'
import type { SerialLine } from './serial.ts'

/** Bytes that an action has moved; `total` 0 when unknown. */
export type Progress = { action: string; done: number; total: number }

/** Where the story is told: a terminal can rewrite its last line. */
export type Teller = { write(text: string): void; isTerminal: boolean }

/** One machine's way to its installed system, told line by line as it is learned. */
export type Story = {
  /** a line of the story itself, now */
  say(text: string): void
  /** all entries known; those not told yet are told */
  entries(entries: readonly TimelineEntry[]): void
  progress(progress: Progress): void
  /** tells the lines that mean something to a person */
  console(line: SerialLine): void
}

type Deps = { teller: Teller; now(): number; startedAt: number }

/** @param deps `startedAt` epoch ms of second 0; `now()` epoch ms */
export function createStory({ teller, now, startedAt }: Deps): Story {
  const told = new Set<string>()
  const shown = new Map<string, number>()
  let draft = false

  const put = (at: number, text: string) => {
    if (draft) teller.write('\r\u001b[K')
    draft = false
    teller.write(`${seconds(at - startedAt)}  ${text}\n`)
  }
  return {
    say: (text) => put(now(), text),
    entries(entries) {
      for (const entry of entries) {
        const key = `${entry.at} ${entry.stage} ${JSON.stringify(entry.facts)}`
        if (told.has(key)) continue
        told.add(key)
        put(entry.at, describe({ ...entry, count: 1 }))
      }
    },
    progress(progress) {
      const percent = progress.total === 0 ? 0 : Math.floor((100 * progress.done) / progress.total)
      const before = shown.get(progress.action) ?? -20
      const text = `${bar(percent)} ${percent} % of ${progress.action}, ${mebibytes(progress.done)} MiB`
      if (teller.isTerminal && before < 100) {
        teller.write(`\r\u001b[K${seconds(now() - startedAt)}  ${text}`)
        draft = true
        shown.set(progress.action, percent)
      } else if (!teller.isTerminal && percent >= before + 20) {
        put(now(), text)
        shown.set(progress.action, percent)
      }
    },
    console(line) {
      if (isTelling(line.text)) put(now(), `  console: ${line.text}`)
    },
  }
}

/** What a person at the console would look for: firmware, boot loader, kernel trouble, login. */
const telling = [
  /^>>Start (?:PXE|HTTP Boot) over/,
  /^iPXE \d/,
  /^Booting from Hard Disk/,
  /^Welcome to GRUB/,
  /^BdsDxe: (?:starting|failed)/,
  /Kernel panic/,
  /^ironwake: the agent ended/,
  / login:$/,
  /^qemu: /,
]

/** Whether a console line belongs into the story. */
export const isTelling = (text: string): boolean => telling.some((pattern) => pattern.test(text))

const seconds = (ms: number) => `${(Math.max(0, ms) / 1000).toFixed(1).padStart(7)} s`
const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
const bar = (percent: number) => `[${'#'.repeat(Math.floor(percent / 5)).padEnd(20, '.')}]`

/** One row of the closing table: from where to where, and how long, ms. */
export type Span = { what: string; ms: number }

/**
 * How long each part of the way took: firmware, iPXE, netboot OS, each action, the installed system. Parts that were
 * not seen are left out.
 */
export function spans(entries: readonly TimelineEntry[], startedAt: number): Span[] {
  const first = (stage: string, after = 0) =>
    entries.find((entry) => entry.stage === stage && entry.at >= after)
  const marks: { what: string; at: number | undefined }[] = [
    { what: 'firmware, until it asks for an address', at: first('dhcp-discover')?.at },
    { what: 'first boot stage, until iPXE has its script', at: first('boot-script')?.at },
    { what: 'kernel and initramfs, until the agent reports in', at: first('agent-hello')?.at },
    ...entries
      .filter((entry) => entry.stage === 'action-ended')
      .map((entry) => ({ what: `action "${String(entry.facts['action'] ?? '')}"`, at: entry.at })),
    { what: 'installed system, until it has phoned home', at: first('phone-home')?.at },
  ]
  const known = marks.flatMap(({ what, at }) => (at === undefined ? [] : [{ what, at }]))
  return known.map(({ what, at }, index) => ({ what, ms: at - (known[index - 1]?.at ?? startedAt) }))
}

/** The closing table, one line a part, and the sum. */
export function spanLines(parts: readonly Span[]): string[] {
  const total = parts.reduce((sum, { ms }) => sum + ms, 0)
  return [...parts, { what: 'power-on to phone-home', ms: total }].map(
    ({ what, ms }) => `${seconds(ms)}  ${what}`,
  )
}
