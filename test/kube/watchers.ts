import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../src/cli/client.ts'
import { messageOf } from '../../src/model/error.ts'
import { basePathOf, kinds } from '../../src/model/kinds.ts'
import type { KindName } from '../../src/model/kinds.ts'
import type { KubeObject } from '../../src/model/object.ts'
import type { EventType, Seen } from './history.ts'
import { markAnnotation } from './samples.ts'

type WatchEvent = { type: string; object: KubeObject }

/** Follows all objects of one kind and connects again whenever the connection breaks. */
export type Watcher = {
  /** resolves once it is in step for the first time */
  started: Promise<void>
  /** what it takes for the objects that there are, newest state, by `namespace/name` */
  objects(): ReadonlyMap<string, KubeObject>
  seen: Seen[]
  /** what must not happen, in words */
  faults: string[]
  /** how often it connected */
  connects(): number
  stop(): Promise<void>
}

export const idOf = ({ metadata }: KubeObject) => `${metadata.namespace ?? ''}/${metadata.name}`
export const versionOf = ({ metadata }: KubeObject) => Number(metadata.resourceVersion)
/** path of all objects of a kind */
export const everyPath = (kind: KindName) => `${basePathOf(kinds[kind])}/${kinds[kind].plural}`

export const seenOf = (type: string, object: KubeObject): Seen => ({
  type: type as EventType,
  uid: object.metadata.uid,
  version: versionOf(object),
  mark: Number(object.metadata.annotations?.[markAnnotation] ?? 0),
})

function apply(objects: Map<string, KubeObject>, { type, object }: WatchEvent): void {
  if (type === 'DELETED') objects.delete(idOf(object))
  else objects.set(idOf(object), object)
}

type Connection = { query: string; onEvent(event: WatchEvent): void }

/** Keeps a watch open, with `next` saying what to ask for each time. */
function keepWatching(client: Client, kind: KindName, next: () => Connection) {
  const stop = new AbortController()
  const faults: string[] = []
  let connects = 0
  const run = async () => {
    while (!stop.signal.aborted) {
      const { query, onEvent } = next()
      connects++
      try {
        const path = `${everyPath(kind)}?watch=true&${query}`
        await client.watch(path, (event) => onEvent(event as WatchEvent), stop.signal)
      } catch (error) {
        if (!messageOf(error).startsWith('server not reachable')) faults.push(messageOf(error))
      }
      await sleep(20)
    }
  }
  const running = run()
  const end = async () => {
    stop.abort()
    await running
  }
  return { faults, connects: () => connects, stop: end }
}

/** All objects of a kind, and the version that they are of. */
export type List = { items: KubeObject[]; version: number }

export async function listOf(client: Client, kind: KindName): Promise<List> {
  const { json } = await client.request('GET', everyPath(kind))
  const { items, metadata } = json as { items: KubeObject[]; metadata: { resourceVersion: string } }
  return { items, version: Number(metadata.resourceVersion) }
}

/** A plain watch from a list on, and after a break from the last version that it saw. */
export function plainWatch(client: Client, kind: KindName, list: List): Watcher {
  const objects = new Map(list.items.map((item) => [idOf(item), item]))
  const seen = list.items.map((item) => seenOf('ADDED', item))
  let { version } = list
  const onEvent = (event: WatchEvent) => {
    if (event.type === 'ERROR') return void kept.faults.push(JSON.stringify(event.object))
    version = versionOf(event.object)
    if (event.type === 'BOOKMARK') return
    seen.push(seenOf(event.type, event.object))
    apply(objects, event)
  }
  const kept = keepWatching(client, kind, () => ({
    query: `resourceVersion=${version}&allowWatchBookmarks=true`,
    onEvent,
  }))
  return { ...kept, started: Promise.resolve(), objects: () => objects, seen }
}

const watchList = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'

/**
 * A WatchList, as client-go opens it since 0.35: what exists, the bookmark that ends it, then what changes. After a break
 * it goes on from its last version, or, as a controller that was restarted itself, asks for everything again.
 * @param again whether to ask for everything
 */
export function watchListWatch(client: Client, kind: KindName, again: () => boolean): Watcher {
  const seen: Seen[] = []
  let objects = new Map<string, KubeObject>()
  let version: number | undefined
  let inStep = () => {}
  const started = new Promise<void>((resolve) => (inStep = resolve))

  const live = (event: WatchEvent) => {
    if (event.type === 'ERROR') return void kept.faults.push(JSON.stringify(event.object))
    if (event.type !== 'BOOKMARK') {
      if (versionOf(event.object) <= version!) kept.faults.push(`${idOf(event.object)} was seen late`)
      seen.push(seenOf(event.type, event.object))
      apply(objects, event)
    }
    version = versionOf(event.object)
  }
  const initial = (): Connection => {
    const found = new Map<string, KubeObject>()
    let isOver = false
    const onEvent = (event: WatchEvent) => {
      if (isOver) return live(event)
      if (event.type === 'ADDED') return void found.set(idOf(event.object), event.object)
      if (event.object.metadata.annotations?.['k8s.io/initial-events-end'] !== 'true')
        kept.faults.push(`${event.type} before the initial events are over`)
      isOver = true
      kept.faults.push(...backwards(objects, found), ...timeTravel(version, versionOf(event.object)))
      objects = found
      version = versionOf(event.object)
      inStep()
    }
    return { query: watchList, onEvent }
  }
  const next = (): Connection =>
    version === undefined || again()
      ? initial()
      : { query: `resourceVersion=${version}&allowWatchBookmarks=true`, onEvent: live }
  const kept = keepWatching(client, kind, next)
  return { ...kept, started, objects: () => objects, seen }
}

/** Objects that are older in a new list than they were known to be. */
function backwards(known: ReadonlyMap<string, KubeObject>, found: ReadonlyMap<string, KubeObject>): string[] {
  return [...found].flatMap(([id, object]) => {
    const before = known.get(id)
    return before && versionOf(object) < versionOf(before) ? [`${id} went back to ${versionOf(object)}`] : []
  })
}

const timeTravel = (known: number | undefined, now: number): string[] =>
  known !== undefined && now < known ? [`the list is of ${now}, ${known} was known`] : []
