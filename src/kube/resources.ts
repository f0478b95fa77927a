import { Readable } from 'node:stream'
import type { Clock } from '../model/clock.ts'
import { AppError } from '../model/error.ts'
import { basePathOf } from '../model/kinds.ts'
import type { KindInfo } from '../model/kinds.ts'
import { patchWithStates, withStates } from '../model/workflow-state.ts'
import type { StateSpelling } from '../model/workflow-state.ts'
import { notFound } from '../store/failure.ts'
import type { Store } from '../store/store.ts'
import type { Admission } from './admit.ts'
import type { KubeApp, Reply, Request } from './app.ts'
import { concealer } from './conceal.ts'
import { create } from './create.ts'
import { finalize } from './finalize.ts'
import { listObjects } from './list.ts'
import { listText, longList } from './list-text.ts'
import { listOptions } from './options.ts'
import { patch } from './patch.ts'
import { remove, removeAll } from './remove.ts'
import { replace } from './replace.ts'
import { renderList, renderObject } from './representation.ts'
import { keyFor, placeOf, queryOf, shapeOf } from './request.ts'
import { serveWatch } from './watch.ts'
import { controlVerbs } from './workflow-control-verbs.ts'
import { controlWorkflow, withTurns } from './workflow-control.ts'
import type { WorkflowControl } from './workflow-control.ts'

export type ResourceDeps = {
  store: Store
  clock: Pick<Clock, 'now'>
  newUid(): string
  /** what only the content of Templates and Workflows tells */
  admission?: Admission
  /** ms between the bookmarks of a watch */
  bookmarkMs: number
  /** a watcher that takes nothing for this long is cut off, ms; default 30 s */
  stalledMs?: number
  /** aborts when watches must end */
  shutdown: AbortSignal
  /** carries Workflows out; without it they are only kept */
  workflows?: WorkflowControl
  /** how `store` spells the states of Workflows */
  workflowStates: StateSpelling
}

type Handler = (request: Request, reply: Reply) => Promise<unknown>
type Handlers = Partial<Record<string, Handler>>

/** Paths of one kind: everything comes from its entry in the kinds table. */
export function resourceRoutes(app: KubeApp, info: KindInfo, deps: ResourceDeps): void {
  const base = basePathOf(info)
  const everywhere = `${base}/${info.plural}`
  const collection = info.namespaced ? `${base}/namespaces/:namespace/${info.plural}` : everywhere
  const object = `${collection}/:name`
  const read: Handler = (request, reply) => list(deps, info, request, reply)
  const routes: Record<string, Handlers> = {
    [everywhere]: { GET: read },
    [collection]: {
      GET: read,
      POST: (request, reply) => create(deps, info, request, reply),
      // All namespaces at once would be everything.
      ...(info.namespaced ? { DELETE: (request) => removeAll(deps, info, request) } : {}),
    },
    [object]: {
      GET: (request) => get(deps, info, request),
      PUT: (request, reply) => replace(deps, info, request, reply),
      PATCH: (request, reply) => patch(deps, info, request, reply),
      DELETE: (request) => remove(deps, info, request),
    },
  }
  if (info.hasStatus)
    routes[`${object}/status`] = {
      GET: (request) => get(deps, info, request),
      PUT: (request, reply) => replace(deps, info, request, reply, 'status'),
      PATCH: (request, reply) => patch(deps, info, request, reply, 'status'),
    }
  if (info.kind === 'Namespace') routes[`${object}/finalize`] = { PUT: (request) => finalize(deps, request) }
  if (info.kind === 'Workflow')
    for (const verb of controlVerbs)
      routes[`${object}/${verb}`] = {
        POST: (request, reply) => controlWorkflow(deps, info, verb, request, reply),
      }
  const preHandler = info.kind === 'Workflow' ? [spelling(deps.workflowStates)] : []
  for (const [url, handlers] of Object.entries(routes)) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
      app.route({ method, url, config: { info }, preHandler, handler: handlers[method] ?? notAllowed })
  }
}

/** Clients may write states in either spelling. */
function spelling(states: StateSpelling) {
  return async (request: Request) => {
    const { body } = request
    request.body = Array.isArray(body) ? patchWithStates(body, states) : withStates(body, states)
  }
}

async function notAllowed(): Promise<never> {
  throw new AppError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
}

/** GET on a collection, once or as a watch. */
async function list(deps: ResourceDeps, info: KindInfo, request: Request, reply: Reply): Promise<unknown> {
  const { namespace } = request.params as { namespace?: string }
  const options = listOptions(queryOf(request), info.kind)
  const shape = shapeOf(request)
  if (options.watch) {
    const watching = { ...deps, now: () => deps.clock.now() }
    const conceal = concealer(request.caller?.role, info.kind)
    await serveWatch(watching, { info, namespace, options, shape, conceal }, () => reply.hijack().raw)
    return reply
  }
  const found = await listObjects(deps.store, info, namespace, options)
  const rendered = withTurns(deps, info, shape, found.items, renderList(shape, info, found, deps.clock.now()))
  // What a role may not see is taken out of whole answers only.
  const isWhole = found.items.length < longList || concealer(request.caller?.role, info.kind) !== undefined
  if (isWhole || !('items' in rendered)) return rendered
  const text = listText(rendered as { items: object[] })
  return reply.type('application/json; charset=utf-8').send(Readable.from(text))
}

async function get(deps: ResourceDeps, info: KindInfo, request: Request): Promise<unknown> {
  const key = keyFor(info, placeOf(request))
  const object = await deps.store.get(key)
  if (!object) throw notFound(key)
  const shape = shapeOf(request)
  return withTurns(deps, info, shape, [object], renderObject(shape, info, object, deps.clock.now()))
}
