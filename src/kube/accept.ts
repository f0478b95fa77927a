/** One media range of an Accept header (RFC 9110 §12.5.1): its type, lower case, and its parameters. */
export type MediaRange = { type: string; parameters: ReadonlyMap<string, string> }

/** The ranges of `accept` as they stand there; their weights do not count. An absent header takes anything. */
export function mediaRanges(accept: string | undefined): MediaRange[] {
  return (accept || '*/*').split(',').map((range) => {
    const [type = '', ...rest] = range.split(';').map((part) => part.trim())
    const pairs = rest.map((part): [string, string] => {
      const [name = '', value = ''] = part.split('=', 2)
      return [name.trim(), value.trim()]
    })
    return { type: type.toLowerCase(), parameters: new Map(pairs) }
  })
}
