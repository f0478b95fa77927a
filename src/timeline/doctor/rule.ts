import { describe } from '../describe.ts'
import type { Evidence, Finding, Seen } from './case.ts'
import type { Look } from './look.ts'

/** One possible cause: what speaks for it, or `undefined` when nothing does. */
export type Rule = (look: Look) => Finding | undefined

/** What was seen, in the timeline's words, at the time of the last occurrence. */
export const saw = (entry: Seen): Evidence => ({ at: entry.lastAt, text: describe(entry) })

/** What was seen, where there is something. */
export const sawAll = (...entries: readonly (Seen | undefined)[]): Evidence[] =>
  entries.flatMap((entry) => (entry ? [saw(entry)] : []))

export const fact = (text: string): Evidence => ({ text })

/** `3 minutes`, for sentences. */
export function spell(ms: number): string {
  const [amount, unit] =
    ms < 90_000
      ? [Math.round(ms / 1000), 'second']
      : ms < 5_400_000
        ? [Math.round(ms / 60_000), 'minute']
        : ms < 129_600_000
          ? [Math.round(ms / 3_600_000), 'hour']
          : [Math.round(ms / 86_400_000), 'day']
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`
}

export const silence = (look: Look): string =>
  look.sign ? `nothing further for ${spell(look.now - look.sign.lastAt)}` : 'nothing'

/** The port of a part of the server, as people write it in firewall rules. */
export function portOf({ server }: Look, name: string, protocol: 'UDP' | 'TCP'): string {
  const found = server.ports.find((port) => port.name === name)
  return found
    ? `${protocol} port ${found.port} of ${server.address}`
    : `the ${name} port of ${server.address}`
}

export const isAfter =
  ({ lastAt }: Seen) =>
  (other: Seen): boolean =>
    other.lastAt > lastAt
