import type { KubeObject } from '../model/object.ts'

/** Objects whose lines are remembered: those that watchers are being told about now. */
const mostObjects = 64
/** Longer lines are made anew: remembered, they would cost more than that. Bytes. */
const longestLine = 64 * 1024

const lines = new Map<KubeObject, Map<string, Buffer>>()

/**
 * The line of an event, made once for all watchers that see it alike.
 * @param object as the store shares it with all watchers
 * @param how tells apart lines about the same object
 */
export function eventLine(object: KubeObject, how: string, make: () => object): Buffer {
  const known = lines.get(object)
  const found = known?.get(how)
  if (found) return found
  const line = Buffer.from(`${JSON.stringify(make())}\n`)
  if (line.length > longestLine) return line
  if (known) known.set(how, line)
  else lines.set(object, new Map([[how, line]]))
  if (lines.size > mostObjects) lines.delete(lines.keys().next().value!)
  return line
}
