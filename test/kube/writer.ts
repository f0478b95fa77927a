import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer, Client } from '../../src/cli/client.ts'
import { isCode } from '../../src/model/error.ts'
import { basePathOf, kinds } from '../../src/model/kinds.ts'
import type { KindInfo, KindName } from '../../src/model/kinds.ts'
import type { KubeObject } from '../../src/model/object.ts'
import type { EventType, Written } from './history.ts'
import { markAnnotation, nameOf, sample } from './samples.ts'
import { mergePatch } from './server.ts'

type Dice = (below: number) => number
/** Writes whose answer the writer got; those without answer that had been done, and that had not. */
export type Counts = { answered: number; doneUnanswered: number; lost: number }

export type Writer = {
  /** what took effect, in the order of each object */
  written: Written[]
  counts: Counts
  /** writes until `signal` aborts, and ends with every outcome known */
  run(signal: AbortSignal): Promise<void>
}

const names = ['a', 'b', 'c', 'd']
const finalizer = 'example.org/held'

/** The collection of a kind: in ns1 when it is namespaced. */
export function collectionOf(info: KindInfo): string {
  return `${basePathOf(info)}${info.namespaced ? '/namespaces/ns1' : ''}/${info.plural}`
}

/**
 * The only client that writes objects of `kind`: creates, changes, labels, finalizes and deletes them. A write without
 * an answer is looked for, and done again only when it was not done.
 */
export function createWriter(client: Client, kind: KindName, dice: Dice): Writer {
  const info: KindInfo = kinds[kind]
  const written: Written[] = []
  const counts: Counts = { answered: 0, doneUnanswered: 0, lost: 0 }
  const alive = new Set<string>()
  let mark = 0
  const pathOf = (name: string) => `${collectionOf(info)}/${nameOf(kind, name)}`

  /** @returns `undefined` when nobody knows what became of it */
  const request = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    try {
      return await client.request(method, path, body, headers)
    } catch (error) {
      if (isCode(error, 'Unavailable')) return undefined
      throw error
    }
  }
  const read = async (name: string): Promise<KubeObject | undefined> => {
    for (;;) {
      const answer = await request('GET', pathOf(name))
      if (answer?.status === 404) return undefined
      if (answer) return objectOf(answer)
      await sleep(30)
    }
  }
  const note = ({ metadata }: KubeObject, more: Omit<Written, 'uid' | 'version'>) =>
    void written.push({ uid: metadata.uid, version: Number(metadata.resourceVersion), ...more })

  /**
   * Sends until it is known to be done.
   * @param isDone whether what is there now shows it
   */
  const write = async (
    name: string,
    send: () => Promise<Answer | undefined>,
    isDone: (found: KubeObject | undefined) => boolean,
  ): Promise<{ object: KubeObject | undefined; isAnswer: boolean }> => {
    for (;;) {
      const answer = await send()
      if (isConflict(answer)) continue
      counts.answered += answer ? 1 : 0
      if (answer) return { object: objectOf(answer), isAnswer: true }
      const found = await read(name)
      if (isDone(found)) {
        counts.doneUnanswered++
        return { object: found, isAnswer: false }
      }
      counts.lost++
    }
  }
  const change = async (name: string, send: () => Promise<Answer | undefined>, type: EventType) => {
    const own = String(mark)
    const { object, isAnswer } = await write(name, send, (found) => markOf(found) === own)
    note(object!, { mark, ...(isAnswer ? { type } : {}) })
  }

  const create = (name: string) => {
    const finalizers = dice(4) === 0 ? [finalizer] : []
    const body = sample(kind, name, ++mark, finalizers)
    return change(name, () => request('POST', collectionOf(info), body), 'ADDED')
  }
  const patch = (name: string) => {
    const { metadata, ...content } = sample(kind, name, ++mark)
    const body = { ...content, metadata: { annotations: metadata.annotations } }
    return change(name, () => request('PATCH', pathOf(name), body, mergePatch), 'MODIFIED')
  }
  const label = (name: string) => {
    const labels = { turn: String(++mark) }
    const body = { metadata: { labels, annotations: { [markAnnotation]: String(mark) } } }
    return change(name, () => request('PATCH', pathOf(name), body, mergePatch), 'MODIFIED')
  }
  const put = (name: string) => {
    const { metadata, ...content } = sample(kind, name, ++mark)
    const send = async () => {
      const current = (await read(name))!
      const annotations = { ...current.metadata.annotations, ...metadata.annotations }
      return request('PUT', pathOf(name), {
        ...current,
        ...content,
        metadata: { ...current.metadata, annotations },
      })
    }
    return change(name, send, 'MODIFIED')
  }
  const setStatus = async (name: string) => {
    const turn = String(written.length)
    const body = { status: { turn } }
    const send = () => request('PATCH', `${pathOf(name)}/status`, body, mergePatch)
    const { object, isAnswer } = await write(name, send, (found) => turnOf(found) === turn)
    note(object!, isAnswer ? { type: 'MODIFIED' } : {})
  }
  const remove = async (name: string) => {
    const { uid } = (await read(name))!.metadata
    const isEnding = (found: KubeObject | undefined) => !found || Boolean(found.metadata.deletionTimestamp)
    const ending = await write(name, () => request('DELETE', pathOf(name), {}), isEnding)
    const held = ending.object?.metadata.deletionTimestamp ? ending.object : undefined
    if (held) note(held, ending.isAnswer ? { type: 'MODIFIED' } : {})
    if (held?.metadata.finalizers) await release(name)
    while (held && (await read(name))) await sleep(20)
    written.push({ uid, type: 'DELETED' })
    alive.delete(name)
  }
  const release = async (name: string) => {
    const body = { metadata: { finalizers: null } }
    const isFree = (found: KubeObject | undefined) => !found?.metadata.finalizers
    const freed = await write(name, () => request('PATCH', pathOf(name), body, mergePatch), isFree)
    if (freed.object) note(freed.object, {})
  }

  const turns = [patch, patch, patch, put, label, info.hasStatus ? setStatus : patch, remove]
  const run = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      const name = names[dice(names.length)]!
      if (alive.has(name)) await turns[dice(turns.length)]!(name)
      else {
        await create(name)
        alive.add(name)
      }
      await sleep(dice(20))
    }
  }
  return { written, counts, run }
}

function objectOf({ status, json }: Answer): KubeObject {
  if (status >= 300) throw new Error(`answered ${status}: ${JSON.stringify(json)}`)
  return json as KubeObject
}

const isConflict = (answer: Answer | undefined) =>
  (answer?.json as { reason?: string } | undefined)?.reason === 'Conflict'
const markOf = (object: KubeObject | undefined) => object?.metadata.annotations?.[markAnnotation]
const turnOf = (object: KubeObject | undefined) => (object?.status as { turn?: string } | undefined)?.turn
