import type { Json } from './openapi-schema.ts'

const prefix = 'io.k8s.apimachinery.pkg.apis.meta.v1'

export const metaNames = {
  object: `${prefix}.ObjectMeta`,
  list: `${prefix}.ListMeta`,
  owner: `${prefix}.OwnerReference`,
  managed: `${prefix}.ManagedFieldsEntry`,
  status: `${prefix}.Status`,
  options: `${prefix}.DeleteOptions`,
} as const

export const refTo = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })

/** A field of that schema; kubectl prints the schema's own description. */
export const fieldOf = (name: string): Json => ({ allOf: [refTo(name)], default: {} })

const text = (description: string): Json => ({ type: 'string', description })
const time = (description: string): Json => ({ type: 'string', format: 'date-time', description })
const flag = (description: string): Json => ({ type: 'boolean', description })
const whole = (description: string): Json => ({ type: 'integer', format: 'int64', description })
const texts = (description: string): Json => ({ type: 'array', items: { type: 'string' }, description })
const textMap = (description: string): Json => ({
  type: 'object',
  additionalProperties: { type: 'string' },
  description,
})
const listOf = (name: string, description: string): Json => ({
  type: 'array',
  items: fieldOf(name),
  description,
})

export const apiVersionText = text('Group and version of the schema of this object.')
export const kindText = text('What kind of object this is.')

/** Schemas of meta.k8s.io/v1 that every document needs. */
export const metaSchemas: Json = {
  [metaNames.object]: {
    type: 'object',
    description: 'Name, namespace and labels of an object, and what the server says about it.',
    properties: {
      name: text('Name, unique among the objects of its kind in its namespace. It cannot change.'),
      generateName: text('Beginning of a name that the server completes when `name` is empty.'),
      namespace: text('Namespace of the object. It cannot change.'),
      uid: text('Id of this object, never given to another. Set by the server.'),
      resourceVersion: text('Grows with every write. In a write: the version that is to be replaced.'),
      generation: whole('Grows when anything but metadata and status changes. Set by the server.'),
      creationTimestamp: time('When it was created. Set by the server.'),
      deletionTimestamp: time('When somebody deleted it while finalizers held it. Set by the server.'),
      deletionGracePeriodSeconds: whole('Always 0 once it is being deleted.'),
      labels: textMap('Short words to select objects by.'),
      annotations: textMap('Notes of any size that nothing selects by.'),
      finalizers: texts('Who must be done with the object before it is gone.'),
      ownerReferences: listOf(metaNames.owner, 'Objects that this one belongs to.'),
      managedFields: listOf(metaNames.managed, 'Which client set which fields.'),
    },
  },
  [metaNames.owner]: {
    type: 'object',
    description: 'An object that another one belongs to.',
    required: ['apiVersion', 'kind', 'name', 'uid'],
    properties: {
      apiVersion: text('Group and version of the owner.'),
      kind: text('Kind of the owner.'),
      name: text('Name of the owner.'),
      uid: text('Uid of the owner.'),
      controller: flag('Whether the owner is the one that drives the object.'),
      blockOwnerDeletion: flag('Whether the owner stays until this object is gone.'),
    },
  },
  [metaNames.managed]: {
    type: 'object',
    description: 'The fields that one client set.',
    properties: {
      manager: text('Name of the client.'),
      operation: text('`Apply` or `Update`.'),
      apiVersion: text('Group and version that the client wrote.'),
      time: time('When it last did.'),
      fieldsType: text('`FieldsV1`.'),
      fieldsV1: { type: 'object', description: 'The fields, as a tree of their names.' },
      subresource: text('`status` when they were written through it.'),
    },
  },
  [metaNames.list]: {
    type: 'object',
    description: 'What the server says about a list.',
    properties: {
      resourceVersion: text('Version of the list: where a watch goes on.'),
      continue: text('Token for the next part of the list; empty when this is the last.'),
      remainingItemCount: whole('About how many objects are left.'),
    },
  },
  [metaNames.options]: {
    type: 'object',
    description: 'How to delete.',
    properties: {
      apiVersion: apiVersionText,
      kind: kindText,
      dryRun: texts('`All`: check and answer, delete nothing.'),
      gracePeriodSeconds: whole('Without effect: objects are deleted at once.'),
      propagationPolicy: text('What becomes of objects that belong to this one.'),
      preconditions: {
        type: 'object',
        description: 'What must hold for the deletion.',
        properties: { uid: text('Uid of the object.'), resourceVersion: text('Version of the object.') },
      },
    },
  },
  [metaNames.status]: {
    type: 'object',
    description: 'What became of a request that does not answer with an object.',
    properties: {
      apiVersion: apiVersionText,
      kind: kindText,
      metadata: fieldOf(metaNames.list),
      status: text('`Success` or `Failure`.'),
      message: text('What happened, for people.'),
      reason: text('What happened, in one word for programs.'),
      details: {
        type: 'object',
        description: 'What the request was about.',
        properties: {
          name: text('Name of the object.'),
          group: text('Its group.'),
          kind: text('Its plural resource name.'),
          uid: text('Its uid.'),
          retryAfterSeconds: whole('When to try again.'),
          causes: {
            type: 'array',
            description: 'Single faults.',
            items: {
              type: 'object',
              properties: {
                reason: text('The fault in one word.'),
                message: text('The fault for people.'),
                field: text('Path of the field.'),
              },
            },
          },
        },
      },
      code: { type: 'integer', format: 'int32', description: 'HTTP status code.' },
    },
    'x-kubernetes-group-version-kind': [{ group: '', version: 'v1', kind: 'Status' }],
  },
}
