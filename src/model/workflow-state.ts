/**
 * How states of Workflows and of their actions are written: `SUCCESS`, as the store and the engine have it, or
 * `STATE_SUCCESS`, as in Tinkerbell up to 0.12. Cluster API Provider Tinkerbell 0.6.0 to 0.6.5 knows the latter only.
 */
export const stateSpellings = ['SUCCESS', 'STATE_SUCCESS'] as const
export type StateSpelling = (typeof stateSpellings)[number]

const prefix = 'STATE_'
const states: ReadonlySet<string> = new Set([
  'PREPARING',
  'PENDING',
  'RUNNING',
  'POST',
  'SUCCESS',
  'FAILED',
  'TIMEOUT',
])

/** Where states are: here, in some fields, or in every item of a list. */
type Place = 'state' | { fields: Readonly<Record<string, Place>> } | { items: Place }

const action: Place = { fields: { state: 'state' } }
const task: Place = { fields: { actions: { items: action } } }
const status: Place = { fields: { state: 'state', currentState: action, tasks: { items: task } } }
const workflow: Place = { fields: { status } }

/**
 * A Workflow, or a part of one that begins at its root, with its states in this spelling, whichever they had. Texts that
 * are no states stay as they are; what needs no change is the same object.
 */
export function withStates<T>(object: T, spelling: StateSpelling): T {
  return respelled(object, workflow, spelling) as T
}

/** A JSON patch (RFC 6902) of a Workflow, with the states among its values in this spelling. */
export function patchWithStates(patch: readonly unknown[], spelling: StateSpelling): unknown[] {
  return patch.map((operation) => {
    if (!isMap(operation) || typeof operation['path'] !== 'string') return operation
    const place = placeAt(operation['path'])
    return place ? respelled(operation, { fields: { value: place } }, spelling) : operation
  })
}

/** What is at a JSON pointer; no name on the way to a state needs escapes. */
function placeAt(pointer: string): Place | undefined {
  let place: Place | undefined = workflow
  for (const token of pointer.split('/').slice(1)) {
    if (place === undefined || place === 'state') return undefined
    if ('items' in place) place = place.items
    else place = Object.hasOwn(place.fields, token) ? place.fields[token] : undefined
  }
  return place
}

function respelled(value: unknown, place: Place, spelling: StateSpelling): unknown {
  if (place === 'state') return stateIn(value, spelling)
  if ('items' in place) {
    if (!Array.isArray(value)) return value
    const items = value.map((item) => respelled(item, place.items, spelling))
    return items.every((item, at) => item === value[at]) ? value : items
  }
  if (!isMap(value)) return value
  const changed = Object.entries(place.fields).flatMap(([name, inner]): [string, unknown][] => {
    if (!Object.hasOwn(value, name)) return []
    const next = respelled(value[name], inner, spelling)
    return next === value[name] ? [] : [[name, next]]
  })
  return changed.length === 0 ? value : { ...value, ...Object.fromEntries(changed) }
}

function stateIn(value: unknown, spelling: StateSpelling): unknown {
  if (typeof value !== 'string') return value
  const plain = value.startsWith(prefix) ? value.slice(prefix.length) : value
  if (!states.has(plain)) return value
  return spelling === 'SUCCESS' ? plain : prefix + plain
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
