export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED'

/** What the server has said that it did, or was found to have done. */
export type Written = {
  uid: string
  /** `undefined`: the answer did not tell, or the object may have been written again since */
  version?: number
  type?: EventType
  /** number of the write, which the object carries from then on */
  mark?: number
}

/** An event of a watch. */
export type Seen = { type: EventType; uid: string; version: number; mark: number }

/**
 * What is wrong with what a watch has shown of one kind: writes that are lost, doubled or out of order. Other writes than
 * those of `written` may be among it: the server writes too.
 * @param written every write that took effect, in the order of each object
 * @param seen every event, from before the first write on
 */
export function faultsOf(written: readonly Written[], seen: readonly Seen[]): string[] {
  const lives = new Map<string, Seen[]>()
  for (const event of seen) lives.set(event.uid, [...(lives.get(event.uid) ?? []), event])
  const deeds = new Map<string, Written[]>()
  for (const one of written) deeds.set(one.uid, [...(deeds.get(one.uid) ?? []), one])
  return [
    ...orderFaults(seen),
    ...[...lives].flatMap(([uid, life]) => lifeFaults(uid, life)),
    ...[...deeds].flatMap(([uid, done]) => lossFaults(uid, done, lives.get(uid) ?? [])),
  ]
}

const told = ({ type, uid, version }: Seen) => `${type} ${uid} at ${version}`

/** Events come in the order of versions, each once. */
function orderFaults(seen: readonly Seen[]): string[] {
  return seen
    .slice(1)
    .flatMap((event, at) =>
      event.version > seen[at]!.version ? [] : [`${told(event)} comes after ${told(seen[at]!)}`],
    )
}

/** An object is added, changed, and at last deleted. */
function lifeFaults(uid: string, life: readonly Seen[]): string[] {
  const types = life.map(({ type }) => type).join(' ')
  return /^ADDED( MODIFIED)*( DELETED)?$/.test(types) ? [] : [`${uid} lives as ${types}`]
}

function lossFaults(uid: string, written: readonly Written[], life: readonly Seen[]): string[] {
  const lost = written.filter(({ version, type }) => {
    const events = life.filter((event) => version === undefined || event.version === version)
    return !events.some((event) => type === undefined || event.type === type)
  })
  const wanted = written.flatMap(({ mark }) => mark ?? []).join()
  const marks = life.map(({ mark }) => mark)
  const found = marks.filter((mark, at) => mark !== marks[at - 1]).join()
  return [
    ...lost.map(
      ({ version, type }) => `${type ?? 'a write'} of ${uid} at ${version ?? 'its end'} was not seen`,
    ),
    ...(wanted === found ? [] : [`${uid} was seen to be written as ${found}, not as ${wanted}`]),
  ]
}
