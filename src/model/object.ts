import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'

/** Kubernetes ObjectMeta as stored and served. `resourceVersion` is a positive decimal without leading zeros. */
export type ObjectMeta = {
  name: string
  namespace: string
  uid: string
  resourceVersion: string
  generation: number
  /** RFC 3339, seconds, Z */
  creationTimestamp: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
  generateName?: string
  managedFields?: unknown[]
}

export type OwnerReference = {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

/** A stored object: whole JSON, fields unknown to the schema included. */
export type KubeObject<Spec = unknown, Status = unknown> = {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
  spec?: Spec
  status?: Status
}

/** What a creator supplies: identity and content; uid, version, generation and creation time are the store's. */
export type NewObject<Spec = unknown, Status = unknown> = {
  apiVersion: string
  kind: string
  metadata: Partial<ObjectMeta> & { name: string; namespace: string }
  spec?: Spec
  status?: Status
}

/** Schema options of a kind's parts: unknown fields are allowed (merge patches must not drop them). */
export const optional = <T extends TSchema>(schema: T) => Type.Optional(schema)

export type SpecOf<T extends TSchema> = Static<T>
