import t from 'tap'
import type { Test } from 'tap'
import { Reference } from './reference.ts'
import type { Outcome, Thing } from './reference.ts'
import { base, mergePatch, startServer, watching } from './server.ts'
import type { TestServer } from './server.ts'

type Body = Record<string, any>
type Random = {
  /** 0 to `count` - 1 */
  below(count: number): number
  pick<T>(items: readonly T[]): T
  chance(percent: number): boolean
}

/** mulberry32 */
function randomFrom(seed: number): Random {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  const below = (count: number) => Math.floor(next() * count)
  return { below, pick: (items) => items[below(items.length)]!, chance: (percent) => below(100) < percent }
}

const path = `${base}/namespaces/ns1/templates`
const names = ['a', 'b', 'c', 'd', 'e']
const colours = ['red', 'blue'] as const
const holders = ['x/one', 'x/two'] as const
const red = ({ labels }: Thing) => labels['colour'] === 'red'
const anything = () => true

type World = { server: TestServer; reference: Reference; random: Random; t: Test }
type Step = (world: World) => Promise<{ what: string; got: { status: number; body: Body }; want: Outcome }>

const call = async (
  { server }: World,
  method: string,
  url: string,
  body?: unknown,
  headers?: Record<string, string>,
) => {
  const { status, json } = await server.client.request(method, url, body, headers)
  return { status, body: json as Body }
}

const labelsOf = (random: Random): Record<string, string> =>
  random.chance(70) ? { colour: random.pick(colours) } : {}
const finalizersOf = (random: Random) => holders.filter(() => random.chance(25))
const objectOf = (
  { name, data, labels, finalizers }: Omit<Thing, 'generation' | 'version' | 'deleting'>,
  version?: number,
) => ({
  apiVersion: 'tinkerbell.org/v1alpha1',
  kind: 'Template',
  metadata: {
    name,
    labels,
    finalizers,
    ...(version === undefined ? {} : { resourceVersion: String(version) }),
  },
  spec: { data },
})
/** Mostly the version that the thing has, now and then an older one. */
const versionFor = ({ reference, random }: World, name: string) => {
  const current = reference.things.get(name)?.version ?? reference.version
  return random.chance(80) ? current : Math.max(1, current - 1 - random.below(3))
}

const create: Step = async (world) => {
  const { random, reference } = world
  const name = random.pick(names)
  const content = { data: `${random.below(4)}`, labels: labelsOf(random), finalizers: finalizersOf(random) }
  const got = await call(world, 'POST', path, objectOf({ name, ...content }))
  return { what: `create ${name}`, got, want: reference.create(name, content) }
}

const put: Step = async (world) => {
  const { random, reference } = world
  const name = random.pick(names)
  const version = versionFor(world, name)
  const content = { data: `${random.below(4)}`, labels: labelsOf(random), finalizers: finalizersOf(random) }
  const got = await call(world, 'PUT', `${path}/${name}`, objectOf({ name, ...content }, version))
  return { what: `put ${name} at ${version}`, got, want: reference.change(name, version, () => content) }
}

const merge: Step = async (world) => {
  const { random, reference } = world
  const name = random.pick(names)
  const version = random.chance(30) ? versionFor(world, name) : undefined
  const data = random.chance(50) ? `${random.below(4)}` : undefined
  const colour = random.chance(50) ? random.pick([...colours, null]) : undefined
  const finalizers = random.chance(30) ? finalizersOf(random) : undefined
  const body = {
    metadata: {
      ...(version === undefined ? {} : { resourceVersion: String(version) }),
      ...(colour === undefined ? {} : { labels: { colour } }),
      ...(finalizers ? { finalizers } : {}),
    },
    ...(data === undefined ? {} : { spec: { data } }),
  }
  const got = await call(world, 'PATCH', `${path}/${name}`, body, mergePatch)
  const labels: Record<string, string> = typeof colour === 'string' ? { colour } : {}
  const want = reference.change(name, version, () => ({
    ...(data === undefined ? {} : { data }),
    ...(finalizers ? { finalizers } : {}),
    ...(colour === undefined ? {} : { labels }),
  }))
  return { what: `merge ${name} ${JSON.stringify(body)}`, got, want }
}

const jsonPatch: Step = async (world) => {
  const { random, reference } = world
  const name = random.pick(names)
  const [expected, data] = [`${random.below(4)}`, `${random.below(4)}`]
  const patch = [
    { op: 'test', path: '/spec/data', value: expected },
    { op: 'replace', path: '/spec/data', value: data },
  ]
  const got = await call(world, 'PATCH', `${path}/${name}`, patch, {
    'content-type': 'application/json-patch+json',
  })
  const want = reference.change(name, undefined, (thing) => (thing.data === expected ? { data } : 422))
  return { what: `json ${name} ${expected} to ${data}`, got, want }
}

const remove: Step = async (world) => {
  const { random, reference } = world
  const name = random.pick(names)
  const version = random.chance(40) ? versionFor(world, name) : undefined
  const options = version === undefined ? {} : { preconditions: { resourceVersion: String(version) } }
  const got = await call(world, 'DELETE', `${path}/${name}`, options)
  return { what: `delete ${name} at ${version}`, got, want: reference.delete(name, version) }
}

const dry: Step = async (world) => {
  const { random, reference } = world
  const name = random.pick(names)
  const got = await call(world, 'PATCH', `${path}/${name}?dryRun=All`, { spec: { data: 'dry' } }, mergePatch)
  return { what: `dry run ${name}`, got, want: { status: reference.things.has(name) ? 200 : 404 } }
}

const steps: readonly Step[] = [create, create, put, merge, merge, merge, jsonPatch, remove, remove, dry]

const seen = ({ metadata, spec }: Body) => ({
  name: metadata.name,
  data: spec.data,
  labels: metadata.labels ?? {},
  finalizers: metadata.finalizers ?? [],
  generation: metadata.generation,
  version: Number(metadata.resourceVersion),
  deleting: metadata.deletionTimestamp !== undefined,
})

async function compareLists(world: World): Promise<void> {
  const { reference, t } = world
  for (const [query, selects] of [
    ['', anything],
    ['?labelSelector=colour%3Dred', red],
  ] as const) {
    const { body } = await call(world, 'GET', `${path}${query}`)
    t.same(body['items'].map(seen), reference.list(selects))
    t.equal(body['metadata'].resourceVersion, String(reference.version))
  }
}

async function compareWatches(world: World, since: number): Promise<void> {
  const { reference, server, t } = world
  for (const [query, selects] of [
    ['', anything],
    ['&labelSelector=colour%3Dred', red],
  ] as const) {
    const want = reference.told(since, selects)
    const watch = watching(server.client, `${path}?watch=1&resourceVersion=${since}${query}`)
    const events = await watch.until(want.length)
    watch.stop()
    const got = events.map(({ type, object: { metadata, spec } }) => ({
      type,
      version: Number(metadata['resourceVersion']),
      name: metadata['name'],
      data: spec.data,
    }))
    t.same(got, want, `watch from ${since}${query}`)
  }
}

const seeds = process.env['SEED'] ? [Number(process.env['SEED'])] : [1, 2, 3]
for (const seed of seeds)
  t.test(`300 random writes do what the rules say (seed ${seed})`, async (t) => {
    const server = await startServer()
    t.after(() => server.close())
    const world: World = { server, random: randomFrom(seed), t, reference: new Reference(0) }
    await call(world, 'POST', '/api/v1/namespaces', { metadata: { name: 'ns1' } })
    world.reference.version = await server.db.store.version()
    const began = world.reference.version
    const statuses = new Set<number>()
    for (let at = 0; at < 300; at++) {
      const { what, got, want } = await world.random.pick(steps)(world)
      statuses.add(got.status)
      t.equal(got.status, want.status, `${at}: ${what}`)
      if (got.body['kind'] === 'Template' && want.object)
        t.same(seen(got.body), want.object, `${at}: ${what}`)
      if (at % 50 === 49) await compareLists(world)
    }
    for (const status of [200, 201, 404, 409, 422]) t.ok(statuses.has(status), `${status} was there`)
    for (let times = 0; times < 4; times++)
      await compareWatches(world, began + world.random.below(world.reference.version - began))
    await compareWatches(world, began)
  })

t.end()
