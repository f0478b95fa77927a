import type { Attributes, ResourceAttributes } from './attributes.ts'
import type { Caller, Role } from './caller.ts'
import { rulesOf } from './roles.ts'
import { failure } from './status.ts'
import type { Status } from './status.ts'

/** Whether `role` may do it. What no rule names is not allowed. */
export function allows(role: Role, wanted: Attributes): boolean {
  const { resources, paths } = rulesOf[role]
  const { verb } = wanted
  if (wanted.path !== undefined) {
    const { path } = wanted
    return paths.some(
      (rule) => has(rule.verbs, verb) && rule.nonResourceURLs.some((url) => covers(url, path)),
    )
  }
  const { group, resource, subresource } = wanted
  const full = subresource === '' ? resource : `${resource}/${subresource}`
  return resources.some(
    (rule) => has(rule.apiGroups, group) && has(rule.resources, full) && has(rule.verbs, verb),
  )
}

const has = (list: readonly string[], value: string) => list.includes('*') || list.includes(value)

const covers = (url: string, path: string) =>
  url.endsWith('*') ? path.startsWith(url.slice(0, -1)) : url === path

/** @returns `undefined` when the caller may do it, else the 403 in Kubernetes' words */
export function authorize(
  caller: Pick<Caller, 'user' | 'role'>,
  wanted: Attributes,
): (Status & { code: number }) | undefined {
  return allows(caller.role, wanted) ? undefined : forbidden(caller.user, wanted)
}

/** The 403 for `wanted`; `because` is appended when there is more to say. */
export function forbidden(user: string, wanted: Attributes, because?: string): Status & { code: number } {
  const more = because === undefined ? '' : `: ${because}`
  const text = `forbidden: User "${user}" cannot ${wanted.verb}`
  if (wanted.path !== undefined) return failure(403, 'Forbidden', `${text} path "${wanted.path}"${more}`, {})
  const { group, resource, name } = wanted
  const subject = `${group === '' ? resource : `${resource}.${group}`}${name === '' ? '' : ` "${name}"`}`
  const details = { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: resource }
  return failure(403, 'Forbidden', `${subject} is ${text} ${scopeOf(wanted)}${more}`, details)
}

function scopeOf({ group, resource, subresource, namespace }: ResourceAttributes): string {
  const full = subresource === '' ? resource : `${resource}/${subresource}`
  const place = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`
  return `resource "${full}" in API group "${group}" ${place}`
}
