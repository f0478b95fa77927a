import { AppError } from '../model/error.ts'
import type { KubeApp, Request } from './app.ts'
import type { Attributes } from './attributes.ts'
import { allows } from './authorize.ts'
import type { Caller } from './caller.ts'
import { rulesOf } from './roles.ts'
import { isJson } from './validate.ts'

type Json = Record<string, unknown>

const authorization = 'authorization.k8s.io/v1'
const authentication = 'authentication.k8s.io'

/** What callers ask about themselves: `kubectl auth can-i`, `kubectl auth can-i --list`, `kubectl auth whoami`. */
export function reviewRoutes(app: KubeApp): void {
  app.post(`/apis/${authorization}/selfsubjectaccessreviews`, async (request, reply) => {
    const spec = specOf(request)
    const wanted = wantedIn(spec)
    const { user, role } = callerOf(request)
    const allowed = allows(role, wanted)
    const status = { allowed, ...(allowed ? {} : { reason: `user "${user}" has the role ${role}` }) }
    void reply.code(201)
    return review('SelfSubjectAccessReview', spec, status)
  })
  app.post(`/apis/${authorization}/selfsubjectrulesreviews`, async (request, reply) => {
    const { resources, paths } = rulesOf[callerOf(request).role]
    const status = { resourceRules: resources, nonResourceRules: paths, incomplete: false }
    void reply.code(201)
    return review('SelfSubjectRulesReview', specOf(request), status)
  })
  // kubectl 1.27 asks for the versions before v1.
  for (const version of ['v1', 'v1beta1', 'v1alpha1']) {
    const apiVersion = `${authentication}/${version}`
    app.post(`/apis/${apiVersion}/selfsubjectreviews`, async (request, reply) => {
      const { user, groups } = callerOf(request)
      void reply.code(201)
      const status = { userInfo: { username: user, groups } }
      return { kind: 'SelfSubjectReview', apiVersion, metadata: {}, status }
    })
  }
}

function callerOf(request: Request): Caller {
  if (request.caller) return request.caller
  throw new AppError('Unauthorized', 'Unauthorized')
}

function specOf(request: Request): Json {
  const spec = isJson(request.body) ? request.body['spec'] : undefined
  if (isJson(spec)) return spec
  throw new AppError('BadRequest', 'the request body has no "spec"')
}

const textIn = (from: Json, name: string): string => {
  const value = from[name]
  return typeof value === 'string' ? value : ''
}

/** In a review `*` asks for everything, and only a rule for everything allows it. */
function wantedIn(spec: Json): Attributes {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec
  if (isJson(resource)) {
    const of = (name: string) => textIn(resource, name)
    const what = { verb: of('verb'), group: of('group'), resource: of('resource') }
    return { ...what, subresource: of('subresource'), namespace: of('namespace'), name: of('name') }
  }
  if (isJson(path)) return { verb: textIn(path, 'verb'), path: textIn(path, 'path') }
  const message = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
  throw new AppError('Invalid', message, { faults: [{ path: 'spec.resourceAttributes', message }] })
}

function review(kind: string, spec: Json, status: object) {
  return { kind, apiVersion: authorization, metadata: {}, spec, status }
}
