import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Quality, Tally } from './poor-line.ts'
import { end } from './spaces.ts'
import type { Bridge } from './spaces.ts'

/** A cable between two bridges that treats frames as its Quality says. */
export type Cable = AsyncDisposable & {
  /** what it has done to frames so far: on their way to the far bridge, and to the near one */
  tallies(): Promise<{ toFar: Tally; toNear: Tally }>
}

const program = fileURLToPath(new URL('poor-cable-run.ts', import.meta.url))
let laid = 0

/** Joins two bridges, which are in different namespaces. @throws Error with what the program said when it ends instead */
export async function layCable(near: Bridge, far: Bridge, quality: Quality): Promise<Cable> {
  laid += 1
  const names = [`poor${laid}n`, `poor${laid}f`] as const
  const command = [process.execPath, '--import=tsx', program, ...names, JSON.stringify(quality)]
  const child = near.space.start(...command)
  const said: string[] = []
  child.stderr!.on('data', (text) => said.push(String(text)))
  const answers = createInterface(child.stdout!)[Symbol.asyncIterator]()
  const answer = async () => {
    const { value, done } = await answers.next()
    if (done) throw new Error(`the cable ended: ${said.join('')}`)
    return String(value)
  }
  await answer()
  await near.space.ip('link', 'set', names[1], 'netns', far.space.name)
  await near.space.ip('link', 'set', names[0], 'master', near.name, 'up')
  await far.space.ip('link', 'set', names[1], 'master', far.name, 'up')
  const ask = (): Promise<string> => {
    child.stdin!.write('\n')
    return answer()
  }
  await ask()
  return {
    tallies: async () => JSON.parse(await ask()) as { toFar: Tally; toNear: Tally },
    [Symbol.asyncDispose]: () => end(child, 'SIGKILL'),
  }
}
