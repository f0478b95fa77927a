import { Type } from 'typebox'
import type { TSchema } from 'typebox'

/**
 * Optional fields of a kind. The description is what `kubectl explain` prints and what the CRD says; it names the
 * field's unit and default. What is `writeOnly` is secret: no fault repeats it.
 */
export const text = (description: string, rules: { pattern?: string; writeOnly?: boolean } = {}) =>
  Type.Optional(Type.String({ description, ...rules }))

export const flag = (description: string) => Type.Optional(Type.Boolean({ description }))

export const whole = (description: string, rules: { minimum?: number; maximum?: number } = {}) =>
  Type.Optional(Type.Integer({ description, ...rules }))

export const texts = (description: string) => Type.Optional(Type.Array(Type.String(), { description }))

export const list = <T extends TSchema>(description: string, item: T) =>
  Type.Optional(Type.Array(item, { description }))

export const map = <T extends TSchema>(description: string, value: T) =>
  Type.Optional(Type.Record(Type.String(), value, { description }))

export const textMap = (description: string) => map(description, Type.String())

/** One of the given words. */
export const choice = <const T extends readonly [string, ...string[]]>(description: string, words: T) =>
  Type.Optional(Type.Enum(words, { description }))

/** The same field, which must be there. */
export const required = {
  text: (description: string) => Type.String({ description }),
  flag: (description: string) => Type.Boolean({ description }),
}
