/** Escapes that take a name or number in braces: `\p{Greek}`, `\x{1F600}`. */
const bracedEscape = /\\(?:[pP]|x)\{[^}]*\}/y
const repeat = /\{(\d{1,6})(?:,(\d{0,6}))?\}/y

/**
 * About how many instructions a regular expression becomes, found without compiling it: what stands before `{n,m}` counts
 * m times. Faulty expressions have some size too.
 */
export function regexSize(pattern: string): number {
  const outer: number[] = []
  let size = 0
  let last = 0
  const add = (atom: number) => {
    size += atom
    last = atom
  }
  for (let at = 0; at < pattern.length;) {
    const char = pattern[at] ?? ''
    const counted = char === '{' ? matchAt(repeat, pattern, at) : undefined
    if (counted) {
      const count = Math.max(Number(counted[1]), Number(counted[2] || 0))
      add(last * Math.max(count - 1, 0))
      last *= Math.max(count, 1)
      at += counted[0].length
    } else if (char === '\\') {
      add(1)
      at += matchAt(bracedEscape, pattern, at)?.[0].length ?? 2
    } else if (char === '[') {
      add(1)
      at = classEnd(pattern, at)
    } else {
      if (char === '(') {
        outer.push(size)
        size = 2
      } else if (char === ')' && outer.length > 0) {
        last = size
        size += outer.pop() ?? 0
      } else add(1)
      at++
    }
  }
  return outer.reduce((sum, before) => sum + before, size)
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(text) ?? undefined
}

/** Behind the `]` of a class; a `]` that is the first in it belongs to it. */
function classEnd(pattern: string, at: number): number {
  let end = at + (pattern[at + 1] === '^' ? 3 : 2)
  while (end < pattern.length && pattern[end] !== ']') end += pattern[end] === '\\' ? 2 : 1
  return end + 1
}
