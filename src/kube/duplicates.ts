/** One open container: the names seen in an object, or the place in a list. */
type Frame = { names: Set<string> | undefined; path: string; at: number }

const maxFound = 100

/**
 * Fields that a JSON text says twice, as paths (`spec.disks[0].device`), each once, at most 100. Parsers keep the last
 * one in silence.
 * @param text valid JSON
 */
export function duplicateFields(text: string): string[] {
  const found = new Set<string>()
  const frames: Frame[] = []
  let isName = false
  let name = ''
  const pathOf = (frame: Frame) => {
    if (!frame.names) return `${frame.path}[${frame.at}]`
    return frame.path === '' ? name : `${frame.path}.${name}`
  }
  const open = (names: Set<string> | undefined) => {
    const parent = frames.at(-1)
    frames.push({ names, path: parent ? pathOf(parent) : '', at: 0 })
    isName = names !== undefined
  }
  const close = () => {
    frames.pop()
    isName = false
  }
  for (let at = 0; at < text.length && found.size < maxFound; at++) {
    const letter = text[at]
    if (letter === '"') {
      const end = endOfText(text, at)
      const frame = frames.at(-1)
      if (isName && frame?.names) {
        name = textAt(text, at, end)
        if (frame.names.has(name)) found.add(pathOf(frame))
        frame.names.add(name)
        isName = false
      }
      at = end
    } else if (letter === '{') open(new Set())
    else if (letter === '[') open(undefined)
    else if (letter === '}' || letter === ']') close()
    else if (letter === ',') {
      const frame = frames.at(-1)
      if (frame) frame.at++
      isName = frame?.names !== undefined
    }
  }
  return [...found]
}

/** Where the text that begins at `start` has its closing quote. */
function endOfText(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0
    while (text[end - 1 - escapes] === '\\') escapes++
    if (escapes % 2 === 0) return end
  }
  return text.length
}

function textAt(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end)
  return raw.includes('\\') ? String(JSON.parse(`"${raw}"`)) : raw
}
