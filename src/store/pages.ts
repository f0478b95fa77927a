import type { KindName } from '../model/kinds.ts'
import type { Page, Store } from './store.ts'

/** Objects that are read at a time: a large inventory is never in memory as a whole. */
const pageSize = 2000

/**
 * All objects of a kind, page by page, as of one version.
 * @throws AppError Expired when the history no longer reaches back to where it began
 */
export async function* pagesOf(store: Pick<Store, 'page'>, kind: KindName): AsyncGenerator<Page> {
  let page = await store.page(kind, { limit: pageSize })
  yield page
  while (page.remaining > 0) {
    const after = page.items.at(-1)!.metadata
    page = await store.page(kind, { limit: pageSize, after, at: page.version })
    yield page
  }
}
