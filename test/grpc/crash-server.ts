/**
 * crash-server.ts FILE PORT: the agents' port and the engine over a database in FILE, as a process that can be killed.
 * Reads lines `workflow NAME MAC` and `read-N NAME`; says `listening`, `created NAME` and `read-N JSON`.
 */
import { createInterface } from 'node:readline'
import { pino } from 'pino'
import { ulid } from 'ulid'
import { grpcServer } from '../../src/grpc/server.ts'
import { systemClock as clock } from '../../src/model/clock.ts'
import { createCa, issueServerCertificate } from '../../src/pki/certificate.ts'
import { createLookup, runLookup } from '../../src/store/lookup.ts'
import { createObject } from '../../src/store/resource.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { createEngine } from '../../src/workflow/engine.ts'
import { createLogs } from '../../src/workflow/logs.ts'
import { plan } from '../../src/workflow/plan.ts'
import { namespace } from '../workflow/house.ts'
import { tasks } from './yard.ts'
import { crashMacs, crashPlan } from './crash.ts'

const [file, port] = process.argv.slice(2)
const log = pino({ level: 'silent' })
const { store, side, shelf } = await openSqlite(file!, { clock })
const lookup = createLookup({ shelf })
const engine = createEngine({
  store,
  side,
  clock,
  log,
  record: () => undefined,
  newId: ulid,
  plan,
  logs: createLogs({ side, clock, log }),
  machineByAgent: lookup.machineByAgent,
})
const say = (...words: string[]) => process.stdout.write(`${words.join(' ')}\n`)

const create = (kind: string, name: string, spec: object) =>
  createObject(
    store,
    { apiVersion: 'tinkerbell.org/v1alpha1', kind, metadata: { namespace, name }, spec },
    { clock, newUid: ulid },
  )
if (!(await store.get({ kind: 'Template', namespace, name: 'crash' }))) {
  await create('Template', 'crash', { data: tasks(crashPlan) })
  for (const mac of crashMacs)
    await create('Hardware', `m-${mac.slice(-2)}`, {
      interfaces: [{ dhcp: { mac }, netboot: { allowPXE: true } }],
    })
}

createInterface(process.stdin).on('line', (line) => {
  const [word, name, mac] = line.split(' ')
  if (word!.startsWith('read-'))
    return void store
      .get({ kind: 'Workflow', namespace, name: name! })
      .then((found) => say(word!, JSON.stringify(found)))
  const spec = { templateRef: 'crash', hardwareRef: '', hardwareMap: { device_1: mac! } }
  void create('Workflow', name!, spec).then(() => say('created', name!))
})

const signal = new AbortController().signal
const now = clock.now()
const certificate = await issueServerCertificate(
  await createCa(now),
  { addresses: ['127.0.0.1'], hostnames: [] },
  now,
)
await Promise.all([
  runLookup({ store, lookup, log }, signal),
  engine.run(signal),
  grpcServer({
    engine,
    authenticate: async () => ({ rejected: 'nobody' }),
    tinkerbell: { admission: 'id', roster: lookup, ready: lookup.ready, holdMs: 5000 },
    record: () => undefined,
    clock,
    log,
    address: '127.0.0.1',
    port: Number(port),
    plain: true,
    tls: certificate,
    onListening: () => say('listening'),
  })(signal),
])
