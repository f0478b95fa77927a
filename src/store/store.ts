import type { KindName } from '../model/kinds.ts'
import type { KubeObject, NewObject } from '../model/object.ts'

/** Identity of an object. */
export type Key = { kind: KindName; namespace: string; name: string }

/**
 * One thing that happened. `version` increases by at least one with every write of the store (deletes included) and is
 * the object's `resourceVersion` (of a delete: of the deletion). `previous` is the object before the write, so that a
 * watcher with a selector can tell "began to match" from "changed". `synced`: everything up to `version` was delivered.
 */
export type Change =
  | { type: 'put'; version: number; object: KubeObject; previous: KubeObject | undefined }
  | { type: 'delete'; version: number; object: KubeObject; previous: KubeObject }
  | { type: 'synced'; version: number }

export type ListResult = { items: KubeObject[]; version: number }

export type PageQuery = {
  namespace?: string | undefined
  /** begins behind this place */
  after?: { namespace: string; name: string } | undefined
  /** the version as of which the objects are wanted; without it the newest */
  at?: number | undefined
  /** at most this many */
  limit: number
}

/** A part of a list, the version it is of, and how many objects come behind it. */
export type Page = ListResult & { remaining: number }

/**
 * Objects, whole as JSON, with one increasing version per store. Every method is asynchronous and writes one
 * object or, `createAll`, groups of new ones; a write is on disk (flushed) before its promise resolves. No engine knows kinds' rules: what a write means
 * (status apart from spec, generation, finalizers) is in `resource.ts`, above any engine.
 */
export type Store = {
  get(key: Key): Promise<KubeObject | undefined>
  /** ordered by namespace, then name; one consistent snapshot with its version */
  list(kind: KindName, namespace?: string): Promise<ListResult>
  /**
   * A part of a list in the same order; pages `at` one version are parts of one snapshot.
   * @throws AppError Expired when the history no longer reaches back to `at`
   */
  page(kind: KindName, query: PageQuery): Promise<Page>
  /**
   * Stores `object` with `resourceVersion` set; uid, creationTimestamp and generation are taken as given.
   * @throws AppError AlreadyExists
   */
  create(object: NewObject): Promise<KubeObject>
  /**
   * Stores many new objects, each group whole when none of its objects exists, else not at all. The objects are handed
   * over: plain JSON (nothing is `undefined`) of at most `maxDepth`, which watchers will share, frozen.
   * @returns for each group whether it was stored
   * @throws AppError TooLarge, and nothing is stored
   */
  createAll(groups: readonly (readonly NewObject[])[]): Promise<boolean[]>
  /**
   * Replaces the object when its stored version is still `expected`. An object equal to the stored one is not written
   * and makes no version.
   * @throws AppError NotFound, Conflict
   */
  update(object: KubeObject, expected: string): Promise<KubeObject>
  /**
   * @param expected when given, the version the object must still have
   * @returns the object as it was, with the version of the deletion
   * @throws AppError NotFound, Conflict
   */
  delete(key: Key, expected?: string): Promise<KubeObject>
  /** the version of the newest write */
  version(): Promise<number>
  /**
   * All changes after `since`, oldest first, then live ones; a `synced` once the history that existed at the call is
   * through. Ends when `signal` aborts.
   * @throws AppError Expired when the history no longer reaches back to `since`, or this reader fell behind the bounded
   *   buffer: list again
   */
  watch(since: number, signal: AbortSignal): AsyncIterable<Change>
}
