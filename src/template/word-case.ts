type Kind = 'number' | 'upper' | 'lower' | 'connector' | 'sign' | 'other'
type Word = { kind: Kind; text: string }

function kindOf(char: string): Kind {
  if (/[-_\s]/u.test(char)) return 'connector'
  if (/\p{P}/u.test(char)) return 'sign'
  if (/\p{Lu}/u.test(char)) return 'upper'
  if (/\p{L}/u.test(char)) return 'lower'
  return /\p{N}/u.test(char) ? 'number' : 'other'
}

/** `HTTPServer2xx` → `http_server_2xx`: words in lower case with `connector` between them. */
export function kebabCase(text: string, connector: string): string {
  const words = wordsOf(Array.from(text))
  let out = ''
  let at = 0
  const write = (word: Word | undefined) => {
    if (word) out += lowered(word, connector)
  }
  const skipPart = () => {
    while (words[at]?.kind === 'lower' || words[at]?.kind === 'number') write(words[at++])
  }
  const connectsTo = (word: Word | undefined) =>
    word !== undefined && word.kind !== 'connector' && word.kind !== 'sign'
  while (at < words.length) {
    const word = words[at++]!
    if (word.kind === 'connector' && at === words.length) {
      write(word)
      break
    }
    write(word)
    if (at === words.length || word.kind === 'connector' || word.kind === 'sign') continue
    if (word.kind === 'number') {
      skipPart()
      if (connectsTo(words[at])) out += connector
    } else if (words[at]?.kind !== 'number') {
      if (connectsTo(words[at])) out += connector
    } else if (at + 1 < words.length) {
      // A number belongs to the word before it, unless small letters follow it.
      const digits = words[at++]
      if (words[at]?.kind !== 'lower') {
        write(digits)
        if (connectsTo(words[at])) out += connector
      } else {
        out += connector
        write(digits)
        skipPart()
        if (connectsTo(words[at])) out += connector
      }
    }
  }
  return out
}

function lowered({ kind, text }: Word, connector: string): string {
  if (kind === 'connector') return connector.repeat(Array.from(text).length)
  return kind === 'upper' ? Array.from(text, simpleLower).join('') : text
}

/** Splits into runs of one kind; `HTTPStatus` is `HTTP` and `Status`, `Http` one word. */
function wordsOf(chars: readonly string[]): Word[] {
  const kinds = chars.map(kindOf)
  const words: Word[] = []
  for (let at = 0; at < chars.length;) {
    const kind = kinds[at]!
    let end = runEnd(kinds, at, kind)
    if (kind === 'upper' && kinds[end] === 'lower')
      end = end - at === 1 ? runEnd(kinds, end, 'lower') : end - 1
    words.push({ kind, text: chars.slice(at, end).join('') })
    at = end
  }
  return words
}

function runEnd(kinds: readonly Kind[], at: number, kind: Kind): number {
  let end = at
  while (kinds[end] === kind) end++
  return end
}

/** One character for one, as Go maps cases: `ß` has no capital. */
export function simpleUpper(char: string): string {
  const upper = char.toUpperCase()
  return Array.from(upper).length === 1 ? upper : char
}

export function simpleLower(char: string): string {
  const lower = char.toLowerCase()
  return Array.from(lower).length === 1 ? lower : char
}
