import t from 'tap'
import { humanDuration } from '../../src/kube/table.ts'
import { representationOf } from '../../src/kube/representation.ts'

const minute = 60
const hour = 3600
const day = 86_400
const durations = [
  [-5, '<invalid>'],
  [-1, '0s'],
  [0, '0s'],
  [119, '119s'],
  [2 * minute, '2m'],
  [3 * minute + 20, '3m20s'],
  [10 * minute + 20, '10m'],
  [179 * minute, '179m'],
  [3 * hour + 5 * minute, '3h5m'],
  [7 * hour, '7h'],
  [8 * hour + 5 * minute, '8h'],
  [47 * hour, '47h'],
  [2 * day + 3 * hour, '2d3h'],
  [8 * day + 3 * hour, '8d'],
  [729 * day, '729d'],
  [2 * 365 * day + 7 * day, '2y7d'],
  [9 * 365 * day, '9y'],
] as const
for (const [seconds, text] of durations)
  t.test(`${seconds} s read ${text}`, async (t) => t.equal(humanDuration(seconds), text))

const kubectl =
  'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json'
const accepts = [
  { accept: undefined, want: { as: 'json' } },
  { accept: '*/*', want: { as: 'json' } },
  { accept: 'application/json; charset=utf-8; q=0.9', want: { as: 'json' } },
  { accept: kubectl, want: { as: 'table', version: 'v1', include: 'Metadata' } },
  { accept: kubectl, include: 'Object', want: { as: 'table', include: 'Object' } },
  { accept: 'application/json;as=Table;v=v1beta1;g=meta.k8s.io', want: { as: 'table', version: 'v1beta1' } },
  { accept: 'application/json;as=Table;v=v9;g=meta.k8s.io,application/json', want: { as: 'json' } },
  { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1', want: { as: 'metadata' } },
  { accept: 'application/vnd.kubernetes.protobuf,application/json', want: { as: 'json' } },
  { accept: 'application/vnd.kubernetes.protobuf', want: undefined },
  { accept: 'application/json;as=Other;g=x;v=v1', want: undefined },
]
for (const { accept, include, want } of accepts)
  t.test(`Accept ${accept} gives ${want?.as ?? 'nothing'}`, async (t) => {
    if (want) t.match(representationOf(accept, include), want)
    else t.throws(() => representationOf(accept), { code: 'NotAcceptable' })
  })
