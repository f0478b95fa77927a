type Kind = 'number' | 'upper' | 'lower' | 'connector' | 'sign' | 'other'
type Word = { kind: Kind; text: string }

const isConnector = (char: string) => /[-_\s]/u.test(char)
const isSign = (char: string) => /\p{P}/u.test(char)
const isUpper = (char: string) => /\p{Lu}/u.test(char)
const isLetter = (char: string) => /\p{L}/u.test(char)
const isNumber = (char: string) => /\p{N}/u.test(char)

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

/** Splits into runs of one kind; `HTTPStatus` is `HTTP` and `Status`. */
function wordsOf(chars: readonly string[]): Word[] {
  const words: Word[] = []
  for (let at = 0; at < chars.length;) {
    const { kind, end } = wordAt(chars, at)
    words.push({ kind, text: chars.slice(at, end).join('') })
    at = end
  }
  return words
}

function wordAt(chars: readonly string[], at: number): { kind: Kind; end: number } {
  const run = (from: number, test: (char: string) => boolean) => {
    let end = from
    while (end < chars.length && test(chars[end]!)) end++
    return end
  }
  const isSmall = (char: string) => isLetter(char) && !isUpper(char)
  const char = chars[at]!
  if (isConnector(char)) return { kind: 'connector', end: run(at, isConnector) }
  if (isSign(char)) return { kind: 'sign', end: run(at, isSign) }
  if (isUpper(char)) {
    const capitals = run(at, isUpper)
    if (capitals - at === 1) return { kind: 'upper', end: run(capitals, isSmall) }
    const isFollowed = capitals < chars.length && isLetter(chars[capitals]!)
    return { kind: 'upper', end: isFollowed ? capitals - 1 : capitals }
  }
  if (isLetter(char)) return { kind: 'lower', end: run(at, isSmall) }
  if (isNumber(char)) return { kind: 'number', end: run(at, isNumber) }
  const isOther = (next: string) => !isConnector(next) && !isSign(next) && !isLetter(next) && !isNumber(next)
  return { kind: 'other', end: run(at, isOther) }
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
