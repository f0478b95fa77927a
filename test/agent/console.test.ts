import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createConsole } from '../../src/agent/console.ts'
import { systemClock } from '../../src/model/clock.ts'

t.test('a console that takes nothing holds nobody up, and is told what it missed', async (t) => {
  const path = join(t.testdir({}), 'fifo')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY)
  const { say } = createConsole(writer)
  const line = 'x'.repeat(999)
  const begun = performance.now()
  for (let count = 0; count < 1000; count++) say(`${count} ${line}`)
  t.ok(performance.now() - begun < 5000, 'a megabyte into a pipe of 64 KiB')
  let read = ''
  const buffer = Buffer.alloc(1 << 20)
  while (!read.endsWith('lines left out)\n')) {
    await systemClock.sleep(10)
    try {
      read += buffer.toString('utf8', 0, readSync(reader, buffer))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
  const lines = read.trimEnd().split('\n')
  const left = Number(/\((\d+) lines/.exec(lines.at(-1)!)?.[1])
  t.equal(lines.length - 1 + left, 1000, 'every line was written or counted')
  t.equal(lines[0], `0 ${line}`)
  closeSync(writer)
  closeSync(reader)
})
