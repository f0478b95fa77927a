import t from 'tap'
import { isCode } from '../../src/model/error.ts'
import { jsonPatch, parsePointer } from '../../src/kube/json-patch.ts'

const cases: { name: string; doc: unknown; patch: unknown; want: unknown }[] = [
  // RFC 6902, appendix A
  {
    name: 'A.1 adding an object member',
    doc: { foo: 'bar' },
    patch: [{ op: 'add', path: '/baz', value: 'qux' }],
    want: { baz: 'qux', foo: 'bar' },
  },
  {
    name: 'A.2 adding an array element',
    doc: { foo: ['bar', 'baz'] },
    patch: [{ op: 'add', path: '/foo/1', value: 'qux' }],
    want: { foo: ['bar', 'qux', 'baz'] },
  },
  {
    name: 'A.3 removing an object member',
    doc: { baz: 'qux', foo: 'bar' },
    patch: [{ op: 'remove', path: '/baz' }],
    want: { foo: 'bar' },
  },
  {
    name: 'A.4 removing an array element',
    doc: { foo: ['bar', 'qux', 'baz'] },
    patch: [{ op: 'remove', path: '/foo/1' }],
    want: { foo: ['bar', 'baz'] },
  },
  {
    name: 'A.5 replacing a value',
    doc: { baz: 'qux', foo: 'bar' },
    patch: [{ op: 'replace', path: '/baz', value: 'boo' }],
    want: { baz: 'boo', foo: 'bar' },
  },
  {
    name: 'A.6 moving a value',
    doc: { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
    patch: [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
    want: { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
  },
  {
    name: 'A.7 moving an array element',
    doc: { foo: ['all', 'grass', 'cows', 'eat'] },
    patch: [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
    want: { foo: ['all', 'cows', 'eat', 'grass'] },
  },
  {
    name: 'A.8 testing a value that is there',
    doc: { baz: 'qux', foo: ['a', 2, 'c'] },
    patch: [
      { op: 'test', path: '/baz', value: 'qux' },
      { op: 'test', path: '/foo/1', value: 2 },
    ],
    want: { baz: 'qux', foo: ['a', 2, 'c'] },
  },
  {
    name: 'A.10 adding a nested member',
    doc: { foo: 'bar' },
    patch: [{ op: 'add', path: '/child', value: { grandchild: {} } }],
    want: { foo: 'bar', child: { grandchild: {} } },
  },
  {
    name: 'A.11 ignoring unrecognized elements',
    doc: { foo: 'bar' },
    patch: [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }],
    want: { foo: 'bar', baz: 'qux' },
  },
  {
    name: 'A.14 escapes in the pointer',
    doc: { '/': 9, '~1': 10 },
    patch: [{ op: 'test', path: '/~01', value: 10 }],
    want: { '/': 9, '~1': 10 },
  },
  {
    name: 'A.16 adding an array value to the end',
    doc: { foo: ['bar'] },
    patch: [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }],
    want: { foo: ['bar', ['abc', 'def']] },
  },
  {
    name: 'adding over a member replaces it',
    doc: { a: 1 },
    patch: [{ op: 'add', path: '/a', value: null }],
    want: { a: null },
  },
  {
    name: 'copying makes a value of its own',
    doc: { a: { b: 1 } },
    patch: [
      { op: 'copy', from: '/a', path: '/c' },
      { op: 'add', path: '/c/b', value: 2 },
    ],
    want: { a: { b: 1 }, c: { b: 2 } },
  },
  {
    name: 'the whole document can be replaced',
    doc: { a: 1 },
    patch: [{ op: 'replace', path: '', value: { b: 2 } }],
    want: { b: 2 },
  },
  {
    name: 'an absent member tests equal to null',
    doc: {},
    patch: [{ op: 'test', path: '/a', value: null }],
    want: {},
  },
  {
    name: 'a member with an empty name',
    doc: { '': 1 },
    patch: [{ op: 'replace', path: '/', value: 2 }],
    want: { '': 2 },
  },
  {
    name: 'moving a value onto itself',
    doc: { a: 1 },
    patch: [{ op: 'move', from: '/a', path: '/a' }],
    want: { a: 1 },
  },
  {
    name: 'a test compares whatever the order of keys',
    doc: { a: { b: 1, c: 2 } },
    patch: [{ op: 'test', path: '/a', value: { c: 2, b: 1 } }],
    want: { a: { b: 1, c: 2 } },
  },
]
for (const { name, doc, patch, want } of cases)
  t.test(name, async (t) => {
    const before = structuredClone(doc)
    t.strictSame(jsonPatch(doc, patch), want)
    t.strictSame(doc, before, 'the document itself is as it was')
  })

const nested = (levels: number) => JSON.parse('{"a":'.repeat(levels) + '1' + '}'.repeat(levels)) as unknown
const refused: {
  name: string
  doc?: unknown
  patch: unknown
  code: 'BadRequest' | 'Invalid' | 'TooLarge'
}[] = [
  { name: 'a test that fails', patch: [{ op: 'test', path: '/a', value: 2 }], code: 'Invalid' },
  {
    name: 'a test of text against a number',
    doc: { a: 10 },
    patch: [{ op: 'test', path: '/a', value: '10' }],
    code: 'Invalid',
  },
  { name: 'removing what is not there', patch: [{ op: 'remove', path: '/b' }], code: 'Invalid' },
  { name: 'replacing what is not there', patch: [{ op: 'replace', path: '/b', value: 1 }], code: 'Invalid' },
  { name: 'adding below a missing parent', patch: [{ op: 'add', path: '/b/c', value: 1 }], code: 'Invalid' },
  {
    name: 'adding behind the end of a list',
    doc: { a: [1] },
    patch: [{ op: 'add', path: '/a/2', value: 1 }],
    code: 'Invalid',
  },
  {
    name: 'a list index with a leading zero',
    doc: { a: [1] },
    patch: [{ op: 'replace', path: '/a/00', value: 1 }],
    code: 'Invalid',
  },
  { name: 'removing the whole object', patch: [{ op: 'remove', path: '' }], code: 'Invalid' },
  {
    name: 'moving a value into itself',
    doc: { a: { b: {} } },
    patch: [{ op: 'move', from: '/a', path: '/a/b/c' }],
    code: 'Invalid',
  },
  { name: 'a prototype', patch: [{ op: 'add', path: '/__proto__/x', value: 1 }], code: 'Invalid' },
  {
    name: 'a prototype through a constructor',
    patch: [{ op: 'add', path: '/constructor/prototype/x', value: 1 }],
    code: 'Invalid',
  },
  { name: 'no array', patch: { op: 'add' }, code: 'BadRequest' },
  { name: 'no operation', patch: [1], code: 'BadRequest' },
  { name: 'an unknown operation', patch: [{ op: 'merge', path: '/a' }], code: 'BadRequest' },
  { name: 'a path without slash', patch: [{ op: 'remove', path: 'a' }], code: 'BadRequest' },
  { name: 'a path with a lone tilde', patch: [{ op: 'remove', path: '/a~2' }], code: 'BadRequest' },
  { name: 'an addition of nothing', patch: [{ op: 'add', path: '/b' }], code: 'BadRequest' },
  {
    name: 'a path of a thousand parts',
    patch: [{ op: 'add', path: '/a'.repeat(1000), value: 1 }],
    code: 'BadRequest',
  },
  {
    name: 'ten thousand and one operations',
    patch: Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 })),
    code: 'TooLarge',
  },
  {
    name: 'copies that double and double',
    doc: { a: { x: 'y'.repeat(1000) } },
    patch: Array.from({ length: 100 }, (_, i) => ({ op: 'copy', from: '/a', path: `/a/${i}` })),
    code: 'Invalid',
  },
]
for (const { name, doc = { a: 1 }, patch, code } of refused)
  t.test(`refuses ${name}`, async (t) => {
    try {
      jsonPatch(doc, patch)
      t.fail('it was applied')
    } catch (error) {
      t.ok(isCode(error, code), String(error))
    }
  })

t.test('ten thousand operations are applied', async (t) => {
  const patch = Array.from({ length: 10_000 }, (_, i) => ({ op: 'add', path: '/a/-', value: i }))
  t.equal((jsonPatch({ a: [] }, patch) as { a: number[] }).a.length, 10_000)
})

t.test('a document that a patch made deep does not end the stack', async (t) => {
  const deep = nested(200)
  const patch = [{ op: 'add', path: '/a'.repeat(199), value: deep }]
  t.doesNotThrow(() => jsonPatch(nested(200), patch))
})

t.test('pointers are split and unescaped', async (t) => {
  t.same(parsePointer(''), [])
  t.same(parsePointer('/a~1b/m~0n/'), ['a/b', 'm~n', ''])
})
