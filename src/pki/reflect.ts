/**
 * The three calls of the Reflect metadata API that the container inside @peculiar/x509 makes when it loads and resolves
 * its own classes. Imported before that library; an existing implementation is left in place.
 */
type MetadataReflect = {
  defineMetadata(key: unknown, value: unknown, target: object): void
  getOwnMetadata(key: unknown, target: object): unknown
  getMetadata(key: unknown, target: object): unknown
}

const reflect = Reflect as typeof Reflect & Partial<MetadataReflect>

if (!reflect.getMetadata) {
  const known = new WeakMap<object, Map<unknown, unknown>>()
  const own = (key: unknown, target: object): unknown => known.get(target)?.get(key)
  reflect.defineMetadata = (key, value, target) => {
    const entries = known.get(target) ?? new Map<unknown, unknown>()
    known.set(target, entries.set(key, value))
  }
  reflect.getOwnMetadata = own
  reflect.getMetadata = (key, target) => {
    for (let at: object | null = target; at; at = Object.getPrototypeOf(at) as object | null) {
      const value = own(key, at)
      if (value !== undefined) return value
    }
    return undefined
  }
}
