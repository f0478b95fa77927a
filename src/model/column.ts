import type { KubeObject } from './object.ts'

/** One column of `kubectl get`; those of priority 1 appear with `-o wide`. */
export type Column = {
  name: string
  /** dotted path from the object's root, or a function of the object */
  from: string | ((object: KubeObject) => unknown)
  priority: 0 | 1
  /** `age`: a time, shown as the time since then; default `text` */
  as?: 'text' | 'integer' | 'age' | 'name'
}

export const name: Column = { name: 'Name', from: 'metadata.name', priority: 0, as: 'name' }
export const age: Column = { name: 'Age', from: 'metadata.creationTimestamp', priority: 0, as: 'age' }
