import type { Clock } from '../model/clock.ts'
import type { Logger } from '../log.ts'
import type { KubeApp, Request } from './app.ts'
import type { Attributes } from './attributes.ts'
import { isSet, parameter } from './options.ts'
import type { Query } from './options.ts'
import { isJson } from './validate.ts'

/** Verbs that change nothing; reviews are posted and change nothing either. */
const reads = new Set(['get', 'list', 'watch', 'head', 'options'])

const isWrite = (wanted: Attributes): boolean =>
  !reads.has(wanted.verb) &&
  (wanted.path !== undefined || !/^auth(entication|orization)\.k8s\.io$/.test(wanted.group))

export type AuditDeps = {
  /** for reads */
  log: Logger
  audit: Logger
  clock: Pick<Clock, 'now'>
}

/**
 * One line for every write, allowed or not, when it is over: who, what, from where, with what result. Bodies are never
 * part of it. Reads are debug lines, and so is what came without good credentials.
 */
export function auditWrites(app: KubeApp, { log, clock, ...deps }: AuditDeps): void {
  const audit = always(deps.audit)
  const started = new WeakMap<object, number>()
  const names = new WeakMap<object, string>()
  app.addHook('onRequest', async (request) => {
    started.set(request, clock.now())
  })
  // The name that the server gave to an object created with generateName, and the id of a token.
  app.addHook('preSerialization', async (request, _reply, payload) => {
    const name = request.method === 'POST' ? (nameIn(payload) ?? idIn(payload)) : undefined
    if (name !== undefined) names.set(request, name)
    return payload
  })
  app.addHook('onResponse', async (request, reply) => {
    const { wanted, caller } = request
    if (!wanted) return
    const ms = clock.now() - (started.get(request) ?? clock.now())
    const code = reply.statusCode
    const place = placeOf(wanted, names.get(request) ?? nameIn(request.body))
    const { user, role, tokenId } = caller ?? {}
    const who = { user, role, ...(tokenId === undefined ? {} : { tokenId }) }
    const entry = { ...who, verb: wanted.verb, ...place, code, ms, from: request.ip }
    if (caller && isWrite(wanted))
      audit.info({ ...entry, ...(isDryRun(request) ? { dryRun: true } : {}) }, 'api write')
    else log.debug(entry, 'api request')
  })
}

/** Writes are recorded whatever the level of other lines is, unless nothing at all is to be logged. */
function always(log: Logger): Logger {
  const level = log.level === 'silent' || log.isLevelEnabled('info') ? log.level : 'info'
  return log.child({}, { level })
}

function placeOf(wanted: Attributes, sent: string | undefined): object {
  const name = (wanted.path === undefined && wanted.name) || sent
  const named = name === undefined ? {} : { name }
  if (wanted.path !== undefined) return { path: wanted.path, ...named }
  const { group, resource, subresource, namespace } = wanted
  const full = `${resource}${group === '' ? '' : `.${group}`}${subresource === '' ? '' : `/${subresource}`}`
  return { resource: full, ...(namespace === '' ? {} : { namespace }), ...named }
}

function nameIn(object: unknown): string | undefined {
  const metadata = isJson(object) ? object['metadata'] : undefined
  const name = isJson(metadata) ? metadata['name'] : undefined
  return typeof name === 'string' && name.length <= 253 ? name : undefined
}

function idIn(answer: unknown): string | undefined {
  const id = isJson(answer) ? answer['id'] : undefined
  return typeof id === 'string' ? id : undefined
}

function isDryRun(request: Request): boolean {
  const query = request.query as Query
  return parameter(query, 'dryRun') === 'All' || isSet(query, 'dryRun')
}
