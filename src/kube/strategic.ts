import { AppError } from '../model/error.ts'
import { isJson } from './validate.ts'

type Json = Record<string, unknown>

/** Lists that merge, with the field by which their items are told apart; of all other lists the new one counts. */
const merging: Readonly<Record<string, { by?: string }>> = {
  'metadata.finalizers': {},
  'metadata.ownerReferences': { by: 'uid' },
  'status.conditions': { by: 'type' },
}

/**
 * `patch` applied to `target` as kubectl means it for the kinds that every cluster has (strategic merge patch): a
 * merge patch whose maps and some of whose lists carry directives. Neither argument is changed.
 * @throws AppError BadRequest for a directive that means nothing
 */
export function strategicPatch(target: unknown, patch: unknown, path = ''): unknown {
  if (!isJson(patch)) return patch
  const directive = patch['$patch']
  if (directive === 'replace') return fresh(patch, path)
  if (directive === 'delete') return {}
  if (directive !== undefined && directive !== 'merge')
    throw new AppError('BadRequest', `unknown $patch directive ${JSON.stringify(directive)}`)
  const kept = retained(isJson(target) ? target : {}, patch['$retainKeys'])
  const merged = new Map(Object.entries(kept))
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue
    const inner = path === '' ? key : `${path}.${key}`
    if (value === null) merged.delete(key)
    else merged.set(key, mergedValue(merged.get(key), value, inner))
  }
  for (const [key, gone] of removals(patch)) {
    const list = merged.get(key)
    if (Array.isArray(list))
      merged.set(
        key,
        list.filter((item) => !gone.includes(item)),
      )
  }
  return Object.fromEntries(merged)
}

function mergedValue(target: unknown, value: unknown, path: string): unknown {
  const list = Object.hasOwn(merging, path) ? merging[path] : undefined
  if (!Array.isArray(value) || !list) return strategicPatch(target, value, path)
  const stored = Array.isArray(target) ? target : []
  return list.by === undefined ? [...new Set([...stored, ...value])] : mergedItems(stored, value, list.by)
}

/** Items with the same key merge; `$patch: delete` removes one, `$patch: replace` alone drops what was there. */
function mergedItems(stored: readonly unknown[], items: readonly unknown[], by: string): unknown[] {
  const keyOf = (item: unknown) => (isJson(item) ? item[by] : undefined)
  const isReplaced = items.some(
    (item) => isJson(item) && item['$patch'] === 'replace' && keyOf(item) === undefined,
  )
  const result = isReplaced ? [] : [...stored]
  for (const item of items) {
    if (!isJson(item)) throw new AppError('BadRequest', `an item of a merging list is not an object`)
    const key = keyOf(item)
    if (key === undefined && item['$patch'] === 'replace') continue
    if (key === undefined) throw new AppError('BadRequest', `an item of a merging list has no "${by}"`)
    const at = result.findIndex((other) => keyOf(other) === key)
    if (item['$patch'] === 'delete') {
      if (at >= 0) result.splice(at, 1)
    } else if (at >= 0) result[at] = strategicPatch(result[at], item)
    else result.push(fresh(item))
  }
  return result
}

function retained(target: Json, keys: unknown): Json {
  if (!Array.isArray(keys)) return target
  return Object.fromEntries(Object.entries(target).filter(([key]) => keys.includes(key)))
}

const removal = '$deleteFromPrimitiveList/'

/** Texts to take out of a list, by the list's name. */
function removals(patch: Json): [string, unknown[]][] {
  return Object.entries(patch).flatMap(([key, value]): [string, unknown[]][] =>
    key.startsWith(removal) && Array.isArray(value) ? [[key.slice(removal.length), value]] : [],
  )
}

/** What a patch makes out of nothing. */
function fresh(patch: Json, path = ''): unknown {
  const { $patch: _directive, ...content } = patch
  return strategicPatch({}, content, path)
}
