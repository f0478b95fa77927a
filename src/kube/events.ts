import type { Change } from '../store/store.ts'
import type { KubeObject } from '../model/object.ts'

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'

/**
 * What a watcher sees of a change. With a selector, an object that begins to match is ADDED, and one that ceases to
 * match is DELETED, both with the object as it is now.
 * @param selects whether an object belongs to this watch: kind, namespace and selectors
 * @returns `undefined` when the watcher sees nothing
 */
export function eventOf(
  change: Change,
  selects: (object: KubeObject) => boolean,
): { type: EventType; object: KubeObject } | undefined {
  if (change.type === 'synced') return undefined
  const { object, previous } = change
  const before = previous !== undefined && selects(previous)
  if (change.type === 'delete') return before ? { type: 'DELETED', object } : undefined
  const after = selects(object)
  if (!before && !after) return undefined
  return { type: before ? (after ? 'MODIFIED' : 'DELETED') : 'ADDED', object }
}
