import t from 'tap'
import { explainMissingIdentity, parseBootFile, parseCommandLine } from '../../src/agent/boot.ts'

const good = {
  agentId: 'm1',
  mac: '52:54:00:AB:00:01',
  token: 't',
  grpc: '10.0.0.1:42113',
  ca: 'PEM',
  api: 1,
}

t.test('a whole boot file is taken, the MAC in its one spelling', async (t) => {
  t.same(parseBootFile(JSON.stringify(good)), {
    agentId: 'm1',
    mac: '52:54:00:ab:00:01',
    token: 't',
    grpc: '10.0.0.1:42113',
    ca: 'PEM',
    registries: [],
  })
})

t.test('registries come with names, passwords and certificates', async (t) => {
  const registries = [{ host: 'r.example:5000', username: 'u', password: 'p', ca: 'PEM', insecure: true }]
  t.same(parseBootFile(JSON.stringify({ ...good, registries })).registries, registries)
})

const bad = [
  { name: 'a cut-off file', text: '{"agentId":', says: /not JSON/ },
  { name: 'a list', text: '7', says: /not a JSON object/ },
  {
    name: 'an empty object, with all that is missing',
    text: '{}',
    says: /agentId: .*mac: .*token: .*grpc: .*ca: .*api: /,
  },
  {
    name: 'a registry without a name',
    text: JSON.stringify({ ...good, registries: [{ host: 'a' }, { username: 'u' }] }),
    says: /registries: entry 2: host: a name expected/,
  },
  {
    name: 'a registry whose password is a number',
    text: JSON.stringify({ ...good, registries: [{ host: 'a', password: 7 }] }),
    says: /registries: entry 1: password is 7: text expected/,
  },
  {
    name: 'an identity of another format',
    text: JSON.stringify({ ...good, api: 2 }),
    says: /api: 1 expected, found 2/,
  },
  {
    name: 'a MAC that is none',
    text: JSON.stringify({ ...good, mac: 'x' }),
    says: /mac: a MAC address expected/,
  },
]
for (const { name, text, says } of bad) {
  t.test(`${name} is refused`, async (t) =>
    t.throws(() => parseBootFile(text), { code: 'Invalid', message: says }),
  )
}

t.test('the command line is words, of which the last one wins', async (t) => {
  t.match(parseCommandLine('quiet a=1 b=x=y a=2\n'), { quiet: '', a: '2', b: 'x=y' })
})

t.test('a boot without identity is explained with what the kernel was told', async (t) => {
  const lines = explainMissingIdentity('/etc/boot.json', 'worker_id=m1').join('\n')
  t.match(lines, /\/etc\/boot.json is missing/)
  t.match(lines, /worker_id=m1 grpc_authority=\(unset\)/)
})
