import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Column } from './column.ts'
import { text, whole } from './field.ts'
import type { KubeObject } from './object.ts'

const objectReference = (description: string) =>
  Type.Optional(
    Type.Object(
      {
        apiVersion: text('API version of the object.'),
        kind: text('Kind of the object.'),
        namespace: text('Namespace of the object.'),
        name: text('Name of the object.'),
        uid: text('Uid of the object.'),
        resourceVersion: text('Version of the object at that time.'),
        fieldPath: text('Which part of the object.'),
      },
      { description },
    ),
  )

const source = Type.Object(
  { component: text('Program that noticed it.'), host: text('Host of that program.') },
  { description: 'Who noticed it.' },
)

const series = Type.Object(
  { count: whole('How often so far.'), lastObservedTime: text('When it was last seen.') },
  { description: 'Repetitions of the event.' },
)

/** Fields of an Event (core/v1) beside its metadata; times RFC 3339, of `eventTime` with microseconds. */
export const eventFields = {
  involvedObject: objectReference('The object that it happened to.'),
  reason: text('What happened, in one word for programs.'),
  message: text('What happened, for people.'),
  source: Type.Optional(source),
  firstTimestamp: text('When it was first seen.'),
  lastTimestamp: text('When it was last seen.'),
  count: whole('How often it was seen.'),
  type: text('`Normal` or `Warning`.'),
  eventTime: text('When it was first seen, with microseconds.'),
  series: Type.Optional(series),
  action: text('What was done, or failed, to the object.'),
  related: objectReference('Another object that it is about.'),
  reportingComponent: text('Controller that noticed it.'),
  reportingInstance: text('Instance of that controller.'),
}

const EventBody = Type.Object(eventFields)

export type Event = KubeObject & Static<typeof EventBody>

const firstSeen = (event: Event) => event.firstTimestamp ?? event.eventTime
const lastSeen = (event: Event) => event.series?.lastObservedTime ?? event.lastTimestamp ?? firstSeen(event)

function subjectOf({ involvedObject: subject }: Event): string {
  const kind = subject?.kind?.toLowerCase() ?? ''
  return subject?.name ? `${kind}/${subject.name}` : kind
}

function sourceOf({ source: from, reportingComponent, reportingInstance }: Event): string {
  const component = from?.component ?? reportingComponent ?? ''
  const host = from?.host ?? reportingInstance
  return host ? `${component}, ${host}` : component
}

const column = (
  name: string,
  priority: 0 | 1,
  from: (event: Event) => unknown,
  as?: NonNullable<Column['as']>,
): Column => ({ name, priority, from: (object) => from(object as Event), ...(as ? { as } : {}) })

/** The columns of `kubectl get events`: when first, the event's own name last. */
export const eventColumns: readonly Column[] = [
  column('Last Seen', 0, lastSeen, 'age'),
  column('Type', 0, ({ type }) => type),
  column('Reason', 0, ({ reason }) => reason),
  column('Object', 0, subjectOf),
  column('Subobject', 1, ({ involvedObject }) => involvedObject?.fieldPath),
  column('Source', 1, sourceOf),
  column('Message', 0, ({ message }) => message?.trim()),
  column('First Seen', 1, firstSeen, 'age'),
  column('Count', 1, ({ series: run, count }) => run?.count ?? count ?? 1, 'integer'),
  { name: 'Name', from: 'metadata.name', priority: 1, as: 'name' },
]
