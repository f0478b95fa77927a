import { AppError, isCode } from '../model/error.ts'
import type { KindInfo, KindName } from '../model/kinds.ts'
import type { KubeObject } from '../model/object.ts'
import { isJsonObject } from '../store/json.ts'
import type { Store } from '../store/store.ts'
import { refuseFuture } from './options.ts'
import type { ListOptions } from './options.ts'
import { StatusError } from './status.ts'

/** A list, or one part of it. */
export type List = {
  items: KubeObject[]
  version: number
  /** token of the next part */
  next?: string
  /** objects in the parts that follow, when it is known */
  remaining?: number
}

/** Where a part begins: behind this object, in the state of this version; without version in the newest state. */
type Token = { version: number | undefined; namespace: string; name: string }

/** Objects that are read at a time while a part is looked for that a selector fits. */
const chunk = 500

/**
 * The objects of a kind that `options` ask for: all, or a part of at most `limit`. All parts of a list are of one
 * version.
 * @throws StatusError 410 with a new token when that version is no longer known, 504 for a version yet to come; AppError
 *   Expired, BadRequest
 */
export async function listObjects(
  store: Store,
  info: KindInfo,
  namespace: string | undefined,
  options: ListOptions,
): Promise<List> {
  const { resourceVersion: wanted, resourceVersionMatch: match, limit, selects } = options
  const kind = info.kind as KindName
  const token = options.continueToken === undefined ? undefined : readToken(options.continueToken)
  const newest = await store.version()
  refuseFuture(wanted, newest)
  const exact = match === 'Exact' && wanted !== newest ? wanted : undefined
  if (!token && exact === undefined && (limit === undefined || wanted === 0)) {
    const { items, version } = await store.list(kind, namespace)
    return { items: items.filter(selects), version }
  }
  try {
    const at = token ? token.version : exact
    return await part(store, kind, { namespace, at, after: token, options })
  } catch (error) {
    if (!token || !isCode(error, 'Expired')) throw error
    throw expired(token)
  }
}

type PartQuery = {
  namespace: string | undefined
  at: number | undefined
  after: { namespace: string; name: string } | undefined
  options: ListOptions
}

async function part(
  store: Store,
  kind: KindName,
  { namespace, at, after, options }: PartQuery,
): Promise<List> {
  const { selects, isSelective } = options
  const limit = options.limit ?? Number.MAX_SAFE_INTEGER
  const items: KubeObject[] = []
  let place = after
  let version = at
  for (;;) {
    const room = isSelective ? chunk : Math.min(limit, 1_000_000)
    const page = await store.page(kind, { namespace, after: place, at: version, limit: room })
    version = page.version
    for (const [index, item] of page.items.entries()) {
      if (!selects(item)) continue
      items.push(item)
      const behind = page.items.length - index - 1 + page.remaining
      if (items.length < limit) continue
      if (behind === 0) return { items, version }
      const next = writeToken({ version, ...placeOf(item) })
      return { items, version, next, ...(isSelective ? {} : { remaining: behind }) }
    }
    const last = page.items.at(-1)
    if (page.remaining === 0 || !last) return { items, version }
    place = placeOf(last)
  }
}

const placeOf = ({ metadata: { namespace, name } }: KubeObject) => ({ namespace, name })

function writeToken({ version, namespace, name }: Token): string {
  return Buffer.from(JSON.stringify({ v: version ?? -1, namespace, name })).toString('base64url')
}

function readToken(text: string): Token {
  const { v, namespace, name } = parsed(text)
  const isVersion = typeof v === 'number' && Number.isSafeInteger(v) && v >= -1
  if (!isVersion || typeof namespace !== 'string' || typeof name !== 'string')
    throw new AppError('BadRequest', 'continue key is not valid: use the one from the list before')
  return { version: v === -1 ? undefined : v, namespace, name }
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
    return isJsonObject(value) ? value : {}
  } catch {
    return {}
  }
}

function expired({ namespace, name }: Token): StatusError {
  const text =
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
    'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
    'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
    'deleted between the time the first chunk was returned and now may show up in the list.'
  const metadata = { continue: writeToken({ version: undefined, namespace, name }) }
  return new StatusError(410, 'Expired', text, undefined, metadata)
}
