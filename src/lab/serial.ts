/** One line of a serial console, `at` seconds after power-on. */
export type SerialLine = { at: number; text: string }

const escapes = new RegExp(`${'\u001b'}(?:\\[[0-9;?=]*[ -/]*[@-~]|[()][AB0]|[=>])`, 'g')
const controls = /[\p{Cc}\ufffd]/gu

/** The text of a console line without terminal control sequences and trailing blanks. */
export const cleanLine = (text: string): string =>
  text.replaceAll(escapes, '').replaceAll('\t', ' ').replaceAll(controls, '').trimEnd()

/**
 * Cuts what a console sent into whole lines and a rest. Firmware draws with bare carriage returns, so these end a line too.
 * @param pending the rest of the call before
 */
export function cutLines(pending: string, chunk: string): { lines: string[]; rest: string } {
  const parts = (pending + chunk).split(/[\r\n]+/)
  const rest = parts.pop() ?? ''
  return { lines: parts.map(cleanLine).filter((line) => line !== ''), rest: rest.slice(-4096) }
}

/** A console line as it is written to its log: seconds with milliseconds, then the text. */
export const formatLine = ({ at, text }: SerialLine): string => `[${at.toFixed(3).padStart(8)}] ${text}`
