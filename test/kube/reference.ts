/** What a write is answered with: the HTTP status, and the object if there is one. */
export type Outcome = { status: number; object?: Thing }

export type Thing = {
  name: string
  data: string
  labels: Readonly<Record<string, string>>
  finalizers: readonly string[]
  generation: number
  version: number
  deleting: boolean
}

export type Told = { type: 'ADDED' | 'MODIFIED' | 'DELETED'; version: number; name: string; data: string }

type Content = Partial<Pick<Thing, 'data' | 'labels' | 'finalizers'>>
type Entry = { version: number; before: Thing | undefined; after: Thing | undefined; last: Thing }

const sameContent = (a: Thing, b: Thing) =>
  JSON.stringify([a.data, a.labels['colour'], a.finalizers, a.deleting]) ===
  JSON.stringify([b.data, b.labels['colour'], b.finalizers, b.deleting])

/** The rules of the API for one kind in one namespace, as simply as they can be said. */
export class Reference {
  readonly things = new Map<string, Thing>()
  readonly #log: Entry[] = []
  version: number

  constructor(version: number) {
    this.version = version
  }

  create(name: string, content: Required<Content>): Outcome {
    if (this.things.has(name)) return { status: 409 }
    const thing = { name, ...content, generation: 1, deleting: false }
    return { status: 201, object: this.#write(undefined, { ...thing, version: 0 }) }
  }

  /** @param version which the thing must have; `undefined`: any */
  change(name: string, version: number | undefined, edit: (thing: Thing) => Content | number): Outcome {
    const before = this.things.get(name)
    if (!before) return { status: 404 }
    if (version !== undefined && version !== before.version) return { status: 409 }
    const content = edit(before)
    if (typeof content === 'number') return { status: content }
    const after = { ...before, ...content }
    if (before.deleting && after.finalizers.some((one) => !before.finalizers.includes(one)))
      return { status: 422 }
    if (sameContent(before, after)) return { status: 200, object: before }
    if (after.data !== before.data) after.generation++
    return { status: 200, object: this.#write(before, after) }
  }

  delete(name: string, version: number | undefined): Outcome {
    const before = this.things.get(name)
    if (!before) return { status: 404 }
    if (version !== undefined && version !== before.version) return { status: 409 }
    if (before.finalizers.length === 0) return { status: 200, object: this.#remove(before, before) }
    if (before.deleting) return { status: 200, object: before }
    const marked = { ...before, deleting: true, generation: before.generation + 1 }
    return { status: 200, object: this.#write(before, marked) }
  }

  list(selects: (thing: Thing) => boolean): Thing[] {
    return [...this.things.values()].filter(selects).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** What a watcher from `version` on is told. */
  told(version: number, selects: (thing: Thing) => boolean): Told[] {
    return this.#log
      .filter((entry) => entry.version > version)
      .flatMap(({ version: at, before, after, last }): Told[] => {
        const [was, is] = [before !== undefined && selects(before), after !== undefined && selects(after)]
        if (!was && !is) return []
        const type = was ? (is ? 'MODIFIED' : 'DELETED') : 'ADDED'
        return [{ type, version: at, name: last.name, data: last.data }]
      })
  }

  #write(before: Thing | undefined, after: Thing): Thing {
    if (after.deleting && after.finalizers.length === 0) return this.#remove(before!, after)
    const stored = { ...after, version: ++this.version }
    this.things.set(after.name, stored)
    this.#log.push({ version: this.version, before, after: stored, last: stored })
    return stored
  }

  /** A watcher is told of the thing as it was stored last. */
  #remove(before: Thing, answered: Thing): Thing {
    const gone = { ...before, version: ++this.version }
    this.things.delete(before.name)
    this.#log.push({ version: this.version, before, after: undefined, last: gone })
    return { ...answered, version: this.version }
  }
}
