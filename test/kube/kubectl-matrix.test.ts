import { randomUUID } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { collector } from '../../src/kube/collector.ts'
import { systemClock } from '../../src/model/clock.ts'
import { commands } from './kubectl-commands.ts'
import type { Place } from './kubectl-commands.ts'
import { allKubectls, follow, kubectlOf } from './kubectl.ts'
import type { Program } from './kubectl.ts'
import { startServer } from './server.ts'

/** Versions that are promised to work; docs/api.md names them. */
const minors = [27, 28, 29, 30, 31, 32, 33]

async function placeOf(t: Test, program: Program): Promise<Place> {
  const server = await startServer()
  const stop = new AbortController()
  const log = pino({ level: 'silent' })
  const collect = collector({ store: server.db.store, log, clock: systemClock, newUid: randomUUID })
  const collecting = collect(stop.signal)
  t.after(async () => {
    stop.abort()
    await collecting
    await server.close()
  })
  const kubectl = kubectlOf(program, server)
  return {
    server,
    program,
    run: (...args) => kubectl(args),
    feed: (input, ...args) => kubectl(args, { input: stringify(input) }),
    editing: async (from, to, ...args) => {
      const editor = join(server.dataDir, 'editor.sh')
      await writeFile(editor, `#!/bin/sh\nsed -i 's/${from}/${to}/' "$1"\n`)
      await chmod(editor, 0o755)
      return kubectl(['edit', ...args], { env: { EDITOR: editor, KUBE_EDITOR: editor } })
    },
    follow: (...args) => follow(program, server, args),
    stored: (kind = 'Hardware', name = 'm1') => server.db.store.get({ kind, namespace: 'ns1', name }),
  }
}

const programs = allKubectls()
t.equal(commands.length, 24)
t.jobs = 2
for (const minor of minors) {
  const program = programs.find((one) => one.minor === minor)
  const skip = program ? false : `kubectl 1.${minor} is not installed`
  t.test(`kubectl 1.${minor}`, { skip, buffered: true }, async (t) => {
    const place = await placeOf(t, program!)
    for (const { name, check } of commands) await t.test(name, (t) => check(t, place))
  })
}
