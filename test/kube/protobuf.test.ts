import t from 'tap'
import { objectOf } from '../../src/kube/protobuf.ts'

/** Bytes that kubectl 1.33 sent, and those of a Secret with every field. */
const field = (number: number, ...parts: Uint8Array[]) => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([number * 8 + 2, body.length]), body])
}
const text = (number: number, value: string) => field(number, Buffer.from(value))
const envelope = (apiVersion: string, kind: string, raw: Uint8Array) =>
  Buffer.concat([
    Buffer.from('k8s\0'),
    field(1, text(1, apiVersion), text(2, kind)),
    Buffer.concat([Buffer.from([18, 0x80 | (raw.length & 127), raw.length >> 7]), raw]),
    text(3, ''),
    text(4, ''),
  ])

t.test('a review of access reads as it does in JSON', async (t) => {
  const attributes = field(1, text(1, 'ns1'), text(2, 'get'), text(3, 'tinkerbell.org'), text(5, 'hardware'))
  const body = envelope('authorization.k8s.io/v1', 'SelfSubjectAccessReview', field(2, attributes))
  t.same(objectOf(body), {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: {
      resourceAttributes: { namespace: 'ns1', verb: 'get', group: 'tinkerbell.org', resource: 'hardware' },
    },
  })
})

t.test('a Secret reads as it does in JSON', async (t) => {
  const metadata = field(
    1,
    text(1, 's1'),
    text(2, ''),
    field(11, text(1, 'a'), text(2, 'b')),
    field(11, text(1, 'c'), text(2, '')),
    text(14, 'f1'),
    text(14, 'f2'),
    text(5, 'a uid is not for clients to set'),
  )
  const data = field(2, text(1, 'password'), field(2, Buffer.from([0, 255])))
  const raw = Buffer.concat([metadata, data, text(3, 'Opaque'), Buffer.from([40, 1])])
  t.same(objectOf(envelope('v1', 'Secret', raw)), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 's1', labels: { a: 'b', c: '' }, finalizers: ['f1', 'f2'] },
    data: { password: 'AP8=' },
    type: 'Opaque',
    immutable: true,
  })
})

const secret = envelope('v1', 'Secret', field(1, text(1, 's1')))
const wrong = [
  { name: 'nothing', body: Buffer.alloc(0), code: 'BadRequest' },
  { name: 'JSON', body: Buffer.from('{}'), code: 'BadRequest' },
  { name: 'another kind', body: envelope('v1', 'Pod', Buffer.alloc(0)), code: 'UnsupportedMediaType' },
  {
    name: 'a kind named as a prototype',
    body: envelope('v1', '__proto__', none()),
    code: 'UnsupportedMediaType',
  },
  {
    name: 'text that is not UTF-8',
    body: envelope('v1', 'Secret', field(1, field(1, Buffer.from([255])))),
    code: 'BadRequest',
  },
  {
    name: 'a group',
    body: Buffer.concat([Buffer.from('k8s\0'), Buffer.from([11, 1, 12])]),
    code: 'BadRequest',
  },
  {
    name: 'an endless number',
    body: Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(20, 255)]),
    code: 'BadRequest',
  },
]
function none() {
  return Buffer.alloc(0)
}
for (const { name, body, code } of wrong)
  t.test(`${name} is refused`, async (t) => t.throws(() => objectOf(body), { code }))

t.test('a body cut short anywhere is refused or read, and never breaks anything', async (t) => {
  for (let length = 0; length < secret.length; length++)
    try {
      objectOf(secret.subarray(0, length))
    } catch (error) {
      t.match(error, { code: /^(BadRequest|UnsupportedMediaType)$/ })
    }
})

t.test('a key named __proto__ is a key', async (t) => {
  const labels = field(11, text(1, '__proto__'), text(2, 'x'))
  const { metadata } = objectOf(envelope('v1', 'Secret', field(1, labels))) as {
    metadata: { labels: Record<string, string> }
  }
  t.same(Object.keys(metadata.labels), ['__proto__'])
})
