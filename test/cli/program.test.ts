import t from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { start } from './run.ts'

const run = (argv: string[]) => start(argv, '/nowhere/kubeconfig').ended

const calls = [
  { name: 'no command', argv: [], code: 2, err: /Usage: ironwake/ },
  { name: 'an unknown command', argv: ['bake'], code: 2, err: /unknown command 'bake'/ },
  {
    name: 'an unknown option',
    argv: ['hardware', 'list', '--bogus'],
    code: 2,
    err: /unknown option '--bogus'/,
  },
  {
    name: 'an unknown output format',
    argv: ['hardware', 'list', '-o', 'xml'],
    code: 2,
    err: /Allowed choices/,
  },
  { name: 'a missing argument', argv: ['timeline'], code: 2, err: /missing required argument/ },
  { name: 'help', argv: ['--help'], code: 0, out: /Usage: ironwake/ },
  {
    name: 'help of a command',
    argv: ['hardware', 'import', '--help'],
    code: 0,
    out: /Examples:\n {2}\$ ironwake hardware import/,
  },
  { name: 'version', argv: ['version'], code: 0, out: '1.2.3\n' },
  { name: 'version as JSON', argv: ['version', '-o', 'json'], code: 0, out: /"version": "1\.2\.3"/ },
]
for (const { name, argv, ...want } of calls)
  t.test(`${name} ends with ${want.code}`, async (t) => t.match(await run(argv), want))

t.test('every command has examples and says what it does', async (t) => {
  const { buildProgram } = await import('../../src/cli/program.ts')
  const seen: string[] = []
  const program = buildProgram({
    stdout: { write: (text) => seen.push(text) },
    stderr: { write: () => {} },
    readStdin: async () => '',
    env: {},
    ...systemClock,
    version: '',
    signal: new AbortController().signal,
    extend: (root) => void root.command('extra').description('of the server'),
  })
  const walk = (commands: typeof program.commands): typeof program.commands =>
    commands.flatMap((command) => [command, ...walk([...command.commands])])
  for (const command of walk([...program.commands])) {
    t.ok(command.description(), command.name())
    if (command.name() === 'extra') continue
    seen.length = 0
    command.outputHelp()
    t.match(seen.join(''), /Examples:/, command.name())
  }
})

t.end()
