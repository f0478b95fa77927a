/** What a file or an image must be: digits in small letters. */
export type Checksum = { algorithm: 'sha256' | 'sha512'; hex: string }

const lengths = { 64: 'sha256', 128: 'sha512' } as const

/**
 * @param text `sha256:<hex>`, `sha512:<hex>`, or the digits alone, whose number tells which
 * @returns `undefined` when it is none of these
 */
export function parseChecksum(text: string): Checksum | undefined {
  const [, named, hex = ''] = /^(?:(sha256|sha512)[:=])?([0-9a-f]+)$/.exec(text.trim().toLowerCase()) ?? []
  const algorithm = lengths[hex.length as keyof typeof lengths]
  if (!algorithm || (named && named !== algorithm)) return undefined
  return { algorithm, hex }
}

/**
 * Finds a file's checksum in a file of them: as sha256sum writes (`<hex>  NAME`, `<hex> *NAME`), as BSD does
 * (`SHA256 (NAME) = <hex>`), or the digits alone.
 * @param name of the file, without folders
 * @returns `undefined` when the file is not among them
 */
export function findChecksum(text: string, name: string): Checksum | undefined {
  const lines = text.split(/\r?\n/).filter((line) => /[0-9a-f]{64}/i.test(line))
  for (const line of lines) {
    const [, plain = '', plainName] = /^\\?([0-9a-f]+) [ *](.+)$/i.exec(line) ?? []
    const [, bsdName, bsd = ''] = /^SHA\d+ \((.+)\) = ([0-9a-f]+)$/i.exec(line) ?? []
    const found = plainName ?? bsdName
    if (found?.replace(/^.*\//, '') === name) return parseChecksum(plain || bsd)
  }
  const only = lines.length === 1 ? lines[0]!.trim() : ''
  return parseChecksum(only)
}
