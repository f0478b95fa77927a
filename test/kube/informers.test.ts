import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import type { Client } from '../../src/cli/client.ts'
import { kinds } from '../../src/model/kinds.ts'
import type { KindName } from '../../src/model/kinds.ts'
import type { KubeObject } from '../../src/model/object.ts'
import { systemClock } from '../../src/model/clock.ts'
import { createObject, modifyObject } from '../../src/store/resource.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { randomFrom } from '../tftp/random.ts'
import { informer } from './client-node.ts'
import { faultsOf } from './history.ts'
import type { Seen } from './history.ts'
import { openKillServer } from './kill-server.ts'
import type { KillServer } from './kill-server.ts'
import { hardware, startServer } from './server.ts'
import { idOf, listOf, plainWatch, watchListWatch } from './watchers.ts'
import type { Watcher } from './watchers.ts'
import { createWriter } from './writer.ts'

t.setTimeout(10 * 60_000)

const seed = Number(process.env['INFORMER_SEED'] ?? Date.now() % 1_000_000)
const kills = 20
const settleMs = 30_000

type Dice = (below: number) => number

/** Everyone who has to do with one kind. */
type Desk = Awaited<ReturnType<typeof openDesk>>

async function openDesk(server: KillServer, kind: KindName, own: number) {
  const dice = randomFrom(own)
  const client = server.client()
  return {
    kind,
    client,
    writer: createWriter(client, kind, randomFrom(own + 1)),
    informer: informer(server.kubeconfig, kind),
    plain: plainWatch(client, kind, await listOf(client, kind)),
    watchList: watchListWatch(client, kind, () => dice(2) === 0),
  }
}

/** Most kills come after so many writes, some while the server is still starting. */
async function killAgainAndAgain(
  t: Test,
  { server, dice, writes }: { server: KillServer; dice: Dice; writes: () => number },
  signal: AbortSignal,
): Promise<void> {
  for (let kill = 1; kill <= kills && !signal.aborted; kill++) {
    const startMs = dice(2000)
    const isEarly = dice(5) === 0
    const wanted = dice(250)
    if (isEarly) await sleep(startMs)
    else {
      await server.ready()
      const before = writes()
      while (writes() < before + wanted && !signal.aborted) await sleep(1)
    }
    await server.kill()
    server.start()
    t.comment(`kill ${kill}: ${isEarly ? `${startMs} ms after its start` : `after ${wanted} writes`}`)
  }
  await server.ready()
}

const versionsOf = (objects: ReadonlyMap<string, KubeObject>) =>
  [...objects]
    .map(([id, { metadata }]) => `${id} ${metadata.resourceVersion}`)
    .toSorted()
    .join()

/** Waits until a watcher shows what the server lists; what it shows in the end is for the caller to compare. */
async function caughtUp(client: Client, kind: KindName, watcher: Watcher): Promise<Map<string, KubeObject>> {
  const deadline = Date.now() + settleMs
  for (;;) {
    const list = new Map((await listOf(client, kind)).items.map((item) => [idOf(item), item]))
    if (versionsOf(watcher.objects()) === versionsOf(list) || Date.now() > deadline) return list
    await sleep(100)
  }
}

const sorted = (objects: ReadonlyMap<string, KubeObject>) =>
  [...objects].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
const told = ({ type, uid, version }: Seen) => `${type} ${uid} ${version}`

/** That the checks would notice: what was seen, with one event lost, doubled, or two in the wrong order. */
function checkSensitivity(t: Test, { kind, writer, plain }: Desk, dice: Dice): void {
  const acknowledged = new Set(writer.written.map(({ uid, version }) => `${uid} ${version}`))
  const places = plain.seen.flatMap(({ uid, version }, at) =>
    acknowledged.has(`${uid} ${version}`) ? at : [],
  )
  for (let turn = 0; turn < 10; turn++) {
    const at = places[dice(places.length - 1)]!
    const event = plain.seen[at]!
    const spoilt = {
      lost: plain.seen.toSpliced(at, 1),
      doubled: plain.seen.toSpliced(at, 0, event),
      reordered: plain.seen.toSpliced(at, 2, plain.seen[at + 1]!, event),
    }
    for (const [how, seen] of Object.entries(spoilt))
      if (faultsOf(writer.written, seen).length === 0) t.fail(`${kind}: ${told(event)} could be ${how}`)
  }
}

async function check(t: Test, desk: Desk, dice: Dice): Promise<void> {
  const { kind, client, writer, informer, plain, watchList } = desk
  const { version: end } = await listOf(client, kind)
  const history = ({ seen }: Watcher) => seen.filter(({ version }) => version <= end).map(told)
  for (const [name, watcher] of Object.entries({ informer, plain, watchList })) {
    const list = await caughtUp(client, kind, watcher)
    t.same(sorted(watcher.objects()), sorted(list), `${name}: shows what the server has`)
    t.same(watcher.faults, [], `${name}: nothing went wrong`)
    t.ok(watcher.connects() > 1, `${name}: connected ${watcher.connects()} times`)
  }
  const { answered, doneUnanswered, lost } = writer.counts
  t.comment(
    `${kind}: ${answered} writes answered, ${doneUnanswered} done without an answer, ${lost} sent in vain; ` +
      `${plain.seen.length} events`,
  )
  t.ok(writer.written.length > 30, 'it was written to')
  t.same(faultsOf(writer.written, plain.seen), [], 'every write was seen once and in order')
  t.equal(informer.lists(), 1, 'the informer never had to list again')
  t.same(history(informer), history(plain), 'its handlers heard the same')
  const all = new Set(history(plain))
  t.same(
    history(watchList).filter((event) => !all.has(event)),
    [],
    'and a WatchList nothing else',
  )
  checkSensitivity(t, desk, dice)
}

t.test(`watchers of all kinds miss nothing while the server is killed ${kills} times`, async (t) => {
  t.comment(`INFORMER_SEED=${seed}`)
  const dice = randomFrom(seed)
  await using server = await openKillServer()
  server.start()
  await server.ready()
  const client = server.client()
  await client.request('POST', '/api/v1/namespaces', { metadata: { name: 'ns1' } })
  const names = Object.keys(kinds) as KindName[]
  const desks = await Promise.all(names.map((kind, at) => openDesk(server, kind, seed + 100 * (at + 1))))
  const watchers = desks.flatMap((desk) => [desk.informer, desk.plain, desk.watchList])
  await Promise.all(watchers.map(({ started }) => started))

  const stop = new AbortController()
  const writes = () => desks.reduce((sum, { writer }) => sum + writer.counts.answered, 0)
  const writing = Promise.all(desks.map(({ writer }) => writer.run(stop.signal)))
  const killing = killAgainAndAgain(t, { server, dice, writes }, stop.signal)
  try {
    await Promise.race([writing, killing])
    await sleep(500)
    stop.abort()
    await writing
    for (const desk of desks) await t.test(desk.kind, (t) => check(t, desk, dice))
  } finally {
    stop.abort()
    await Promise.allSettled([writing, killing, ...watchers.map((watcher) => watcher.stop())])
  }
})

t.test('an informer that was away for longer than the history lists again, and is right', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ironwake-away-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const database = join(dataDir, 'test.db')
  const before = await startServer({ dataDir, database })
  for (const name of ['gone', 'kept']) await before.client.create(hardware(name))
  const away = informer(before.pki.kubeconfigPath, 'Hardware')
  t.teardown(away.stop)
  await away.started
  await before.close()
  await writeUnseen(database)
  const after = await startServer({ dataDir, database, port: before.port })
  t.teardown(after.close)
  const list = await caughtUp(after.client, 'Hardware', away)
  t.same(sorted(away.objects()), sorted(list))
  t.equal(away.lists(), 2)
  t.same(away.faults, [])
  const heard = away.seen.map(({ type, uid }) => `${type} ${uid.slice(0, 8)}`)
  t.equal(heard.length, 5, 'two were there; one was changed, one deleted, one is new')
  t.same(new Set(heard).size, 5)
})

/** Deletes one Hardware, makes another one, and changes a third so often that nothing older is remembered. */
async function writeUnseen(database: string): Promise<void> {
  await using db = await openSqlite(database, { clock: systemClock, historyEvents: 5 })
  const key = { kind: 'Hardware', namespace: 'ns1', name: 'kept' } as const
  await db.store.delete({ ...key, name: 'gone' })
  await createObject(db.store, hardware('new'), { clock: systemClock, newUid: randomUUID })
  for (let turn = 0; turn < 30; turn++)
    await modifyObject(db.store, key, (one) => ({ ...one, spec: { userData: String(turn) } }))
}
