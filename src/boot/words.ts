/**
 * iPXE splits a line at white space, has no quoting, and gives meaning to whole words only: `||`, `&&`, `;` end a
 * command, a word that begins with `#` starts a comment, `${` anywhere starts a setting. A word free of these is plain
 * text to it wherever it stands but at the end of a line, where a backslash would join the next line.
 */
function isPlainWord(word: string): boolean {
  return (
    /^[\x21-\x7e]+$/.test(word) &&
    !word.includes('${') &&
    !word.startsWith('#') &&
    !word.endsWith('\\') &&
    !['||', '&&', ';'].includes(word)
  )
}

export type Words = { words: string[]; refused: string[] }

/** Splits `text` at white space into words that are safe in an iPXE command, and those that are not. */
export function plainWords(text: string): Words {
  const all = text.split(/\s+/).filter((word) => word !== '')
  return { words: all.filter(isPlainWord), refused: all.filter((word) => !isPlainWord(word)) }
}

/** One word of letters, digits and `._-`, as in file names; `undefined` when `text` is anything else. */
export function plainName(text: string): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(text) ? text : undefined
}

/** `text` as iPXE may print it: unusual characters become `?`, at most 200 of them are kept. */
export function plainText(text: string): string {
  return text
    .slice(0, 200)
    .replace(/[^A-Za-z0-9 ._:/?=,()-]/g, '?')
    .replace(/(^| )-/g, '$1?')
}

/**
 * @param base what a relative `text` is relative to
 * @returns the normalized http or https URL, `undefined` when it is none or iPXE would not take it as one word
 */
export function plainUrl(text: string, base?: string): string | undefined {
  if (/[\s\\]|\$\{/.test(text) || !URL.canParse(text, base)) return undefined
  const url = new URL(text, base)
  const known = url.protocol === 'http:' || url.protocol === 'https:'
  return known && url.href.length <= 1024 && isPlainWord(url.href) ? url.href : undefined
}
