import { setImmediate as nextTurn } from 'node:timers/promises'

/** Items that are turned into text before others get their turn. */
const slice = 50

/** Lists shorter than this are not worth it. */
export const longList = 200

/** A list as JSON text, a few items at a time, so that a long one holds up nobody. */
export async function* listText(list: { items: readonly object[] }): AsyncGenerator<string> {
  const { items, ...head } = list
  yield `${JSON.stringify(head).slice(0, -1)},"items":[`
  for (let at = 0; at < items.length; at += slice) {
    const texts = items.slice(at, at + slice).map((item) => JSON.stringify(item))
    yield `${at > 0 ? ',' : ''}${texts.join(',')}`
    await nextTurn()
  }
  yield ']}'
}
