/**
 * crash-agent.ts KIND PORT ID: a test agent as a process that can be killed. It says `run NAME` and `at POINT` and waits
 * for a line before it goes on from there.
 */
import { createInterface } from 'node:readline'
import { runAgent } from './yard.ts'
import type { Kind } from './yard.ts'

const [kind, port, id] = process.argv.slice(2)
const lines = createInterface(process.stdin)[Symbol.asyncIterator]()
runAgent(kind as Kind, Number(port), id!, {
  run: async ({ name }) => {
    process.stdout.write(`run ${name}\n`)
    return 'SUCCESS'
  },
  at: async (point) => {
    process.stdout.write(`at ${point}\n`)
    await lines.next()
  },
})
