import { AppError } from '../model/error.ts'
import { kinds, resourceNameOf } from '../model/kinds.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import type { KindName } from '../model/kinds.ts'
import type { Key } from './store.ts'

/** Identity of an object. The kind is trusted: edges admit only kinds that are served. */
export function keyOf(object: KubeObject | NewObject): Key {
  const { namespace, name } = object.metadata
  return { kind: object.kind as KindName, namespace, name }
}

/** `hardware.tinkerbell.org "x"`, as Kubernetes names an object in its messages. */
export function titleOf({ kind, name }: Key): string {
  return `${resourceNameOf(kinds[kind])} "${name}"`
}

export function notFound(key: Key): AppError {
  return new AppError('NotFound', `${titleOf(key)} not found`)
}

export function alreadyExists(key: Key): AppError {
  return new AppError('AlreadyExists', `${titleOf(key)} already exists`)
}

const modified = 'the object has been modified; please apply your changes to the latest version and try again'

/** @param reason why the write does not fit the stored object; by default, that its version moved on */
export function conflict(key: Key, reason = modified): AppError {
  return new AppError('Conflict', `Operation cannot be fulfilled on ${titleOf(key)}: ${reason}`)
}
