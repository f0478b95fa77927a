import { paragraph } from '../../src/lab/capture-text.ts'
import type { Message } from '../../src/lab/capture.ts'

/**
 * A listing in a Markdown page: a comment that says what it shows, and the fenced text after it.
 *
 *     <!-- packets NAME /first/ /then/ … take COUNT lines MOST show KEY KEY … -->
 *
 * The patterns are searched one after the other through the messages of capture NAME; COUNT messages (1) from where the
 * last one matches are shown, each with the options and fields named, of which there may be MOST lines.
 */
const listing = /(<!-- packets (\S+) ([^\n]*?) -->\n\n```text\n)[^]*?(```\n)/g
const width = 84
const wishes = /^(?:take (\d+))?\s*(?:lines (\d+))?\s*(?:show (.*))?$/

/** @returns the page with every listing as the captures have it. @throws Error for one that cannot be made */
export function fillListings(page: string, capture: (name: string) => readonly Message[]): string {
  return page.replace(listing, (_, head: string, name: string, wish: string, foot: string) => {
    const shown = chosen(capture(name), wish)
    return `${head}${shown.join('\n')}\n${foot}`
  })
}

function chosen(messages: readonly Message[], wish: string): string[] {
  const patterns = [...wish.matchAll(/\/((?:\\\/|[^/])+)\//g)].map(([, source]) => new RegExp(source!))
  const rest = wish.slice(wish.lastIndexOf('/') + 1).trim()
  const [, count = '1', most = '99', keys = ''] = wishes.exec(rest) ?? []
  let from = -1
  for (const pattern of patterns) {
    from = messages.findIndex(
      (message, index) => index > from && pattern.test(paragraph(message, () => true)),
    )
    if (from < 0) throw new Error(`no message matches ${pattern} in "${wish}"`)
  }
  const wanted = new Set(keys.split(' '))
  return messages.slice(from, from + Number(count)).map((message) =>
    shortened(
      paragraph(message, (key) => wanted.has(key), width),
      Number(most),
    ),
  )
}

function shortened(text: string, most: number): string {
  const lines = text.split('\n')
  return lines.length <= most + 1 ? text : [...lines.slice(0, most + 1), '            …'].join('\n')
}
