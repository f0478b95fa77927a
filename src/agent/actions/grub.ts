/** What a boot menu starts: paths as GRUB sees them, below the root of the file system it reads. */
export type BootEntry = { title: string; kernel: string; initrds: string[]; commandLine: string }

type Entry = { title: string; id: string; children: Entry[] | undefined; boot: Omit<BootEntry, 'title'> }

/** GRUB's own names for what an entry starts, on BIOS, on UEFI, and by the 16-bit protocol. */
const linux = new Set(['linux', 'linux16', 'linuxefi'])
const initrd = new Set(['initrd', 'initrd16', 'initrdefi'])
const deepest = 50
const controlWords = new Set(['then', 'else', 'do', '!'])
const optionsWithValue = new Set(['--class', '--users', '--hotkey', '--id', '--source'])

/**
 * The default entry of a grub.cfg, as grub-mkconfig of Debian, Ubuntu and Fedora writes it, or of a plain one without a
 * menu. Conditions are not evaluated: an entry's first `linux` and `initrd` count, and the last `set default` that is not
 * empty. A default that is not in the menu, or starts no Linux, means the first entry that
 * does.
 * @param environment the variables of grubenv, see `parseGrubEnvironment`
 * @returns `undefined` when nothing in it starts a kernel, or blocks are nested more than 50 deep
 */
export function defaultEntry(
  text: string,
  environment: Readonly<Record<string, string>> = {},
): BootEntry | undefined {
  const variables = { ...environment, menuentry_id_option: '--id' }
  const root: Entry = { title: '', id: '', children: [], boot: nothing() }
  let wanted = '0'
  const open: (Entry | undefined)[] = [root]
  for (const words of statements(text, variables)) {
    const current = open.findLast((entry) => entry !== undefined) ?? root
    while (controlWords.has(words[0] ?? '')) words.shift()
    const [command = '', ...rest] = words
    if (command === '}') {
      if (open.length > 1) open.pop()
    } else if (words.at(-1) === '{') {
      const entry = command === 'menuentry' || command === 'submenu' ? entryOf(command, rest) : undefined
      if (entry) (current.children ??= []).push(entry)
      open.push(entry)
      if (open.length > deepest) return undefined
    } else if (command === 'set' && rest[0]?.startsWith('default=')) {
      wanted = rest[0].slice('default='.length) || wanted
    } else if (linux.has(command)) {
      if (!current.boot.kernel) Object.assign(current.boot, kernelOf(rest))
    } else if (initrd.has(command) && !current.boot.initrds.length) {
      current.boot.initrds = rest
    }
  }
  const menu = root.children ?? []
  const chosen = [choose(menu, wanted.split('>')), firstOf(menu), root].find((entry) => entry?.boot.kernel)
  return chosen && { title: chosen.title, ...chosen.boot }
}

/** The variables of a GRUB environment block: `name=value` lines, `\` before `\` and line ends. */
export function parseGrubEnvironment(text: string): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/.exec(line) ?? []
    if (name !== undefined && value !== undefined) variables[name] = value.replace(/\\(.)/g, '$1')
  }
  return variables
}

const nothing = () => ({ kernel: '', initrds: [] as string[], commandLine: '' })

function kernelOf([kernel = '', ...rest]: readonly string[]) {
  return { kernel, commandLine: rest.map((word) => (/\s/.test(word) ? `"${word}"` : word)).join(' ') }
}

function entryOf(command: string, words: readonly string[]): Entry {
  let title: string | undefined
  let id = ''
  for (let at = 0; at < words.length - 1; at++) {
    const word = words[at] ?? ''
    if (optionsWithValue.has(word)) {
      at++
      if (word === '--id') id = words[at] ?? ''
    } else if (word.startsWith('--id=')) id = word.slice('--id='.length)
    else if (!word.startsWith('--')) title ??= word
  }
  return { title: title ?? '', id, children: command === 'submenu' ? [] : undefined, boot: nothing() }
}

/** By number, id or title; the path through submenus is `1>0` or `advanced>6.1`. */
function choose(entries: readonly Entry[], [here = '', ...further]: readonly string[]): Entry | undefined {
  const found =
    entries.find(({ id, title }) => here !== '' && (id === here || title === here)) ??
    (/^\d+$/.test(here) ? entries[Number(here)] : undefined)
  if (!found?.children) return found
  return (further.length ? choose(found.children, further) : undefined) ?? firstOf(found.children)
}

function firstOf(entries: readonly Entry[]): Entry | undefined {
  for (const entry of entries) {
    const found = entry.children ? firstOf(entry.children) : entry.boot.kernel ? entry : undefined
    if (found) return found
  }
  return undefined
}

/** The statements of a script, each as its words; a block's `{` is the last word of its statement, `}` is one of its own. */
function* statements(text: string, variables: Readonly<Record<string, string>>): Generator<string[]> {
  let words: string[] = []
  for (const token of tokens(text, variables)) {
    if (token.kind === 'word') words.push(token.text)
    else {
      if (token.kind === 'open') words.push('{')
      if (words.length) yield words
      if (token.kind === 'close') yield ['}']
      words = []
    }
  }
  if (words.length) yield words
}

type Token = { kind: 'word'; text: string } | { kind: 'open' | 'close' | 'end' }

/** One piece of a word, or what stands between words. The order matters: the first that fits is taken. */
const piece =
  /(?<blank>(?:[ \t\r]|\\\r?\n)+)|(?<end>[\n;])|(?<comment>#[^\n]*)|'(?<single>[^']*)'|"(?<double>(?:[^"\\]|\\[^])*)"|\\(?<escaped>[^])|\$\{(?<braced>[\w?*@#]*)\}|\$(?<bare>\w+)|(?<plain>[^\s;'"\\$]+|[^])/

function* tokens(text: string, variables: Readonly<Record<string, string>>): Generator<Token> {
  const value = (name: string) => (Object.hasOwn(variables, name) ? (variables[name] ?? '') : '')
  let word: string | undefined
  let quoted = false
  function* flush(): Generator<Token> {
    if (word !== undefined && !quoted && word === '{') yield { kind: 'open' }
    else if (word !== undefined && !quoted && word === '}') yield { kind: 'close' }
    else if (word !== undefined && (quoted || word !== '')) yield { kind: 'word', text: word }
    word = undefined
    quoted = false
  }
  const next = new RegExp(piece, 'y')
  for (let found = next.exec(text); found; found = next.exec(text)) {
    const { blank, end, comment, single, double, escaped, braced, bare, plain } = found.groups ?? {}
    if (blank !== undefined) yield* flush()
    else if (end !== undefined) {
      yield* flush()
      yield { kind: 'end' }
    } else if (comment !== undefined) {
      if (word === undefined) continue
      word += '#'
      next.lastIndex = found.index + 1
    } else {
      quoted ||= single !== undefined || double !== undefined || escaped !== undefined
      const text = single ?? escaped ?? plain ?? (double === undefined ? undefined : unquote(double, value))
      word = (word ?? '') + (text ?? value(braced ?? bare ?? ''))
    }
  }
  yield* flush()
}

function unquote(text: string, value: (name: string) => string): string {
  return text.replace(
    /\\([$"\\\n])|\$\{([\w?*@#]*)\}|\$(\w+)/g,
    (_all, escaped: string | undefined, braced: string | undefined, bare: string | undefined) =>
      escaped === undefined ? value(braced ?? bare ?? '') : escaped === '\n' ? '' : escaped,
  )
}
