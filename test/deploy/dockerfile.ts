export type Instruction = { name: string; words: string[]; text: string; line: number }
export type Stage = { name: string | undefined; base: string; instructions: Instruction[] }

/** A Dockerfile's stages; `before` is what stands ahead of the first FROM. Throws for what is no instruction. */
export function parseDockerfile(text: string): { before: Instruction[]; stages: Stage[] } {
  const before: Instruction[] = []
  const stages: Stage[] = []
  for (const instruction of instructionsOf(text)) {
    const { name, words } = instruction
    const [base = '', as, stage] = words
    if (name === 'FROM')
      stages.push({ base, name: as?.toUpperCase() === 'AS' ? stage : undefined, instructions: [] })
    else (stages.at(-1)?.instructions ?? before).push(instruction)
  }
  return { before, stages }
}

const known =
  /^(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)$/

/** Lines that end with a backslash go on in the next one; comments between them do not count. */
function instructionsOf(text: string): Instruction[] {
  const found: Instruction[] = []
  let open: { text: string; line: number } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue
    const { text: soFar, line: first } = open ?? { text: '', line: index + 1 }
    const joined = soFar + line.replace(/\\\s*$/, '')
    open = line.trimEnd().endsWith('\\') ? { text: joined, line: first } : undefined
    if (open) continue
    const [, name = '', rest = ''] = /^\s*(\w+)\s+([^]*)$/.exec(joined) ?? []
    if (!known.test(name)) throw new Error(`line ${first}: no such instruction: ${joined.slice(0, 40)}`)
    found.push({ name, text: rest.trim(), words: rest.trim().split(/\s+/), line: first })
  }
  if (open) throw new Error(`line ${open.line} has no end`)
  return found
}

/** The arguments of an instruction in its JSON form. */
export const execForm = ({ text }: Instruction): string[] =>
  JSON.parse(text.slice(text.indexOf('['))) as string[]
