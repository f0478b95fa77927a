import type { Json } from './openapi-schema.ts'

/** What an operation does, as `x-kubernetes-action` names it. */
export type Action = 'list' | 'get' | 'post' | 'put' | 'patch' | 'delete' | 'deletecollection'

/** Media types of patches. A strategic merge patch would be chosen by kubectl if it were named here. */
export const patchTypes = [
  'application/merge-patch+json',
  'application/json-patch+json',
  'application/apply-patch+yaml',
]

const query = (name: string, type: string, description: string): Json => ({
  name,
  in: 'query',
  description,
  schema: { type, uniqueItems: true },
})

export const pathParameter = (name: string, description: string): Json => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string', uniqueItems: true },
})

const dryRun = query('dryRun', 'string', '`All`: check and answer, store nothing.')

/** kubectl asks the server to validate only when it finds `fieldValidation` among the parameters of a patch. */
const write = [
  dryRun,
  query('fieldManager', 'string', 'Name of the client.'),
  query('fieldValidation', 'string', 'What unknown or repeated fields mean: Ignore, Warn or Strict.'),
]

const select = [
  query('labelSelector', 'string', 'Only objects with these labels.'),
  query('fieldSelector', 'string', 'Only objects with this name or namespace.'),
]

const list = [
  ...select,
  query('limit', 'integer', 'At most this many objects, if the server divides lists.'),
  query('continue', 'string', 'Token of the part before.'),
  query('resourceVersion', 'string', 'How new the answer must be, or where a watch begins.'),
  query('resourceVersionMatch', 'string', 'NotOlderThan or Exact.'),
  query('watch', 'boolean', 'Answer with the changes, one JSON document per line.'),
  query('sendInitialEvents', 'boolean', 'Begin a watch with what exists.'),
  query('allowWatchBookmarks', 'boolean', 'Tell the version now and then in a watch.'),
  query('timeoutSeconds', 'integer', 'When a watch ends, in seconds.'),
]

const parameters: Readonly<Record<Action, readonly Json[]>> = {
  get: [],
  list,
  post: write,
  put: write,
  patch: [
    ...write,
    query('force', 'boolean', 'Take fields over from other clients, with server-side apply.'),
  ],
  delete: [
    dryRun,
    query('gracePeriodSeconds', 'integer', 'Without effect: objects are deleted at once.'),
    query('propagationPolicy', 'string', 'What becomes of objects that belong to this one.'),
  ],
  deletecollection: [
    ...select,
    query('limit', 'integer', 'Delete at most this many; the answer has a token for the others.'),
    query('continue', 'string', 'Token of the answer before.'),
    dryRun,
  ],
}

export const operationParameters = (action: Action): readonly Json[] => parameters[action]
