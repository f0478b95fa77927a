import type { Clock } from '../model/clock.ts'
import { AppError } from '../model/error.ts'
import { servedKinds } from './discovery.ts'
import type { KubeApp, Request } from './app.ts'
import { attributesOf, segmentsOf } from './attributes.ts'
import type { Attributes } from './attributes.ts'
import { authorize, forbidden } from './authorize.ts'
import type { Caller } from './caller.ts'
import { concealer, isConcealed } from './conceal.ts'
import { createLogin } from './login.ts'
import type { LoginDeps } from './login.ts'
import type { Query } from './options.ts'
import { sendStatus } from './send.ts'
import type { Status } from './status.ts'
import type { Streams } from './streams.ts'

export type AccessDeps = LoginDeps & { clock: Pick<Clock, 'now'>; streams: Streams }

/** How often streams are checked for credentials that ended, ms. */
const sweepMs = 15_000

/**
 * Before any route: who asks, and whether they may. After it: what they may not see is left out. Routes that are open
 * (health) ask for nothing.
 */
export function accessControl(app: KubeApp, deps: AccessDeps): void {
  const login = createLogin(deps)
  app.decorateRequest('caller', undefined)
  app.decorateRequest('wanted', undefined)
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.open) return
    request.wanted = wantedOf(request)
    const found = login(request, reply)
    if ('code' in found) return sendStatus(reply, found)
    request.caller = found
    const refusal = refusalOf(request, found, request.wanted)
    if (refusal) return sendStatus(reply, refusal)
    deps.streams.add(reply.raw, found)
  })
  app.addHook('onSend', async (request, _reply, payload) => concealed(request, payload))
  const timer = setInterval(() => deps.streams.sweep(deps.clock.now()), sweepMs).unref()
  app.addHook('onClose', async () => clearInterval(timer))
}

/** A path that has no route is authorized as it was sent. */
function wantedOf(request: Request): Attributes {
  const { url } = request.routeOptions
  const sent = request.url.split('?')[0]!
  const segments =
    url === undefined || request.is404
      ? sent.split('/').slice(1)
      : segmentsOf(url, request.params as Record<string, string>)
  return attributesOf(request.method, segments, request.query as Query)
}

function refusalOf(
  request: Request,
  caller: Caller,
  wanted: Attributes,
): (Status & { code: number }) | undefined {
  const refusal = authorize(caller, wanted)
  if (refusal || wanted.verb !== 'patch' || wanted.path !== undefined) return refusal
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase()
  // Server-side apply creates what is not there.
  if (type.startsWith('application/apply-patch')) return authorize(caller, { ...wanted, verb: 'create' })
  const kind = kindOf(wanted)
  // Its `copy` and `test` would show what is concealed.
  if (type === 'application/json-patch+json' && kind !== undefined && isConcealed(caller.role, kind))
    return forbidden(caller.user, wanted, 'a JSON patch needs the right to read it whole')
  return undefined
}

function kindOf(wanted: Attributes): string | undefined {
  if (wanted.path !== undefined) return undefined
  return servedKinds.find(({ group, plural }) => group === wanted.group && plural === wanted.resource)?.kind
}

function concealed(request: Request, payload: unknown): unknown {
  const kind = request.wanted && kindOf(request.wanted)
  const hide = kind === undefined ? undefined : concealer(request.caller?.role, kind)
  if (!hide || payload === undefined || payload === null) return payload
  if (typeof payload === 'string') return JSON.stringify(hide(JSON.parse(payload) as object))
  throw new AppError('Internal', `the answer about a ${kind} cannot be concealed`)
}
