import t from 'tap'
import { readOptions } from '../../bench/lib/catalogue.ts'

const known = ['api/import', 'api/list', 'dhcp/offers']

const cases = [
  { name: 'nothing named means all', argv: [], want: { benches: known, rounds: 3, gates: true } },
  { name: 'a topic', argv: ['api'], want: { benches: ['api/import', 'api/list'] } },
  { name: 'one question', argv: ['dhcp/offers'], want: { benches: ['dhcp/offers'] } },
  {
    name: 'one that is named twice runs once',
    argv: ['api/list', 'api/list'],
    want: { benches: ['api/list'] },
  },
  { name: 'rounds, and no gates', argv: ['--rounds', '5', '--no-gates'], want: { rounds: 5, gates: false } },
]
for (const { name, argv, want } of cases) t.test(name, async (t) => t.match(readOptions(argv, known), want))

const refused = [
  { name: 'the beginning of a name is no name', argv: ['ap'] },
  { name: 'no rounds', argv: ['--rounds', '0'] },
  { name: 'rounds that are no number', argv: ['--rounds', 'many'] },
  { name: 'an option that there is not', argv: ['--fast'] },
]
for (const { name, argv } of refused)
  t.test(name, async (t) => t.throws(() => readOptions(argv, known), { code: 'BadRequest' }))
