import type { KubeObject, NewObject } from '../model/object.ts'
import { withStates } from '../model/workflow-state.ts'
import type { StateSpelling } from '../model/workflow-state.ts'
import type { Change, Store } from '../store/store.ts'

/**
 * A store whose Workflows have their states in the spelling of the API, whatever is done with them. What is written,
 * in either spelling, is stored in ours.
 */
export function spelledStore(store: Store, spelling: StateSpelling): Store {
  const kept = <T extends NewObject | KubeObject>(object: T): T =>
    object.kind === 'Workflow' ? withStates(object, 'SUCCESS') : object
  const said = <T extends KubeObject>(object: T): T =>
    object.kind === 'Workflow' ? withStates(object, spelling) : object
  const isSame = (kind: string) => kind !== 'Workflow' || spelling === 'SUCCESS'
  return {
    get: async (key) => {
      const object = await store.get(key)
      return object && said(object)
    },
    list: async (kind, namespace) => {
      const list = await store.list(kind, namespace)
      return isSame(kind) ? list : { ...list, items: list.items.map(said) }
    },
    page: async (kind, query) => {
      const page = await store.page(kind, query)
      return isSame(kind) ? page : { ...page, items: page.items.map(said) }
    },
    create: async (object) => said(await store.create(kept(object))),
    createAll: (groups) => store.createAll(groups.map((group) => group.map(kept))),
    update: async (object, expected) => said(await store.update(kept(object), expected)),
    delete: async (key, expected) => said(await store.delete(key, expected)),
    version: () => store.version(),
    watch: (since, signal) =>
      spelling === 'SUCCESS' ? store.watch(since, signal) : changes(store.watch(since, signal), said),
  }
}

async function* changes(
  source: AsyncIterable<Change>,
  said: (object: KubeObject) => KubeObject,
): AsyncGenerator<Change> {
  for await (const change of source) {
    if (change.type === 'put')
      yield { ...change, object: said(change.object), previous: change.previous && said(change.previous) }
    else if (change.type === 'delete')
      yield { ...change, object: said(change.object), previous: said(change.previous) }
    else yield change
  }
}
