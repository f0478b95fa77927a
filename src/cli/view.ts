import type { Workflow } from '../model/workflow.ts'
import type { CliDeps } from './command.ts'
import { liveRegion } from './live.ts'
import { changesOf, titleOf } from './outcome.ts'
import { timeText } from './output.ts'

/** How what is watched is shown. */
export type View = {
  /** whether `draw` shows anything */
  isLive: boolean
  /** the width that lines of `draw` may have */
  columns(): number
  changed(before: Workflow | undefined, after: Workflow): void
  /** a line about a Workflow, with the time of day */
  say(line: string): void
  /** a word about the watching itself */
  notice(text: string): void
  /** what is under way just now */
  draw(lines: readonly string[]): void
  end(): void
}

type Deps = Pick<CliDeps, 'stdout' | 'stderr' | 'now' | 'env'>

/**
 * JSON lines; or text, with what is under way redrawn in place where the output is a terminal.
 * @param several whether lines have to say which Workflow they are about
 */
export function createView(deps: Deps, { asJson, several }: { asJson: boolean; several: boolean }): View {
  const { stdout, stderr, now, env } = deps
  const notice = (text: string) => void stderr.write(`${text}\n`)
  const nothing = () => {}
  const silent = { isLive: false, columns: () => 80, notice, draw: nothing, end: nothing }
  if (asJson) {
    const changed = (_: unknown, after: Workflow) => void stdout.write(`${JSON.stringify(after)}\n`)
    return { ...silent, changed, say: nothing }
  }
  const stamped = (line: string) => `${timeText(now())}  ${line}`
  const lines = (before: Workflow | undefined, after: Workflow) =>
    changesOf(before, after, several ? `${titleOf(after)} ` : '')
  if (!stdout.isTTY || env['TERM'] === 'dumb') {
    const say = (line: string) => void stdout.write(`${stamped(line)}\n`)
    return { ...silent, say, changed: (before, after) => lines(before, after).forEach(say) }
  }
  const region = liveRegion(stdout)
  const say = (line: string) => region.say(stamped(line))
  return {
    isLive: true,
    columns: () => stdout.columns || 80,
    changed: (before, after) => lines(before, after).forEach(say),
    say,
    notice: region.say,
    draw: region.draw,
    end: region.end,
  }
}
