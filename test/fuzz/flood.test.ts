import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { createNetwork } from '../../src/lab/netns.ts'
import type { FloodReport } from './flood.ts'
import { seed, times } from './mutate.ts'

const run = promisify(execFile)
const packets = 3000 * times
t.setTimeout(60_000 * (1 + times))
const program = fileURLToPath(new URL('flood.ts', import.meta.url))
/** Answers to made-up addresses must not leave the machine, so the servers have a network of their own. */
const skip = process.getuid?.() !== 0 && 'network namespaces need root'

t.test(`both servers live through ${packets} mutated packets each, seed ${seed}`, { skip }, async (t) => {
  await using network = await createNetwork()
  const command = [process.execPath, '--expose-gc', '--import=tsx', program, String(packets)]
  const { stdout } = await run(...network.inside(command), { timeout: 100_000 * times })
  t.comment(stdout.trim())
  const { dhcp, tftp, heapGrowth, leftOpen } = JSON.parse(stdout) as FloodReport
  t.match(dhcp, { sent: packets, renewed: true }, 'a good DHCP client is answered all the while')
  t.ok(dhcp.answered > packets / 5, `${dhcp.answered} answers were sent`)
  t.match(tftp, { sent: packets, whole: true }, 'a good TFTP client gets its file all the while')
  t.ok(tftp.answers > packets / 4, `${tftp.answers} answers reached the clients`)
  t.match(tftp, { leaked: false, written: false }, 'nothing from outside was given out, nothing was written')
  t.ok(tftp.mostOpen <= 4 * 8, `${tftp.mostOpen} files open at once: 8 of each of four clients at most`)
  t.ok(heapGrowth < 4 * 2 ** 20, `${heapGrowth} octets more on the heap`)
  t.equal(leftOpen, 0, 'no socket and no file is left open')
})
