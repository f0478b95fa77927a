import t from 'tap'
import { answerFor } from '../../src/boot/range.ts'
import type { Conditions } from '../../src/boot/range.ts'

const file = { size: 1000, etag: '"v1"', lastModified: 'Sun, 06 Nov 1994 08:49:37 GMT' }
const whole = { status: 200, start: 0, end: 999, headers: { 'content-length': 1000, etag: '"v1"' } }
const cases: { name: string; asked: Partial<Conditions>; want: object }[] = [
  { name: 'nothing asked: the whole file', asked: {}, want: whole },
  { name: 'the same tag: not modified', asked: { 'if-none-match': '"v1"' }, want: { status: 304 } },
  { name: 'the same tag, weakly', asked: { 'if-none-match': 'W/"v1"' }, want: { status: 304 } },
  { name: 'one tag of several', asked: { 'if-none-match': '"v0", "v1"' }, want: { status: 304 } },
  { name: 'any tag', asked: { 'if-none-match': '*' }, want: { status: 304 } },
  { name: 'another tag', asked: { 'if-none-match': '"v0"' }, want: whole },
  { name: 'the same date', asked: { 'if-modified-since': file.lastModified }, want: { status: 304 } },
  {
    name: 'a later date',
    asked: { 'if-modified-since': 'Mon, 07 Nov 1994 00:00:00 GMT' },
    want: { status: 304 },
  },
  { name: 'an earlier date', asked: { 'if-modified-since': 'Sun, 06 Nov 1994 08:49:36 GMT' }, want: whole },
  {
    name: 'a date as RFC 850 writes it',
    asked: { 'if-modified-since': 'Sunday, 06-Nov-94 08:49:37 GMT' },
    want: { status: 304 },
  },
  {
    name: 'a date as C writes it',
    asked: { 'if-modified-since': 'Sun Nov  6 08:49:37 1994' },
    want: { status: 304 },
  },
  { name: 'what is no date', asked: { 'if-modified-since': 'yesterday' }, want: whole },
  {
    name: 'another tag and the same date: the tag counts',
    asked: { 'if-none-match': '"v0"', 'if-modified-since': file.lastModified },
    want: whole,
  },
  { name: 'the tag that is expected', asked: { 'if-match': '"v0", "v1"' }, want: whole },
  { name: 'another tag is expected', asked: { 'if-match': '"v0"' }, want: { status: 412 } },
  {
    name: 'a weak tag is expected, which is never enough',
    asked: { 'if-match': 'W/"v1"' },
    want: { status: 412 },
  },
  {
    name: 'nothing newer is expected, and it is not',
    asked: { 'if-unmodified-since': file.lastModified },
    want: whole,
  },
  {
    name: 'nothing newer is expected, and it is',
    asked: { 'if-unmodified-since': 'Sun, 06 Nov 1994 08:49:36 GMT' },
    want: { status: 412 },
  },
  {
    name: 'a part of an expected file that is another one',
    asked: { range: 'bytes=0-9', 'if-match': '"v0"' },
    want: { status: 412 },
  },
  { name: 'a part', asked: { range: 'bytes=0-9' }, want: { status: 206, start: 0, end: 9 } },
  {
    name: 'a part of a file that is known already',
    asked: { range: 'bytes=0-9', 'if-none-match': '"v1"' },
    want: { status: 304 },
  },
  {
    name: 'a part behind the end',
    asked: { range: 'bytes=1000-' },
    want: { status: 416, headers: { 'content-range': 'bytes */1000', 'content-length': 0 } },
  },
  {
    name: 'a part behind the end of a file that was another one: the whole new one',
    asked: { range: 'bytes=1000-', 'if-range': '"v0"' },
    want: whole,
  },
  {
    name: 'a HEAD of a part is a HEAD of the whole',
    asked: { method: 'HEAD', range: 'bytes=0-9' },
    want: whole,
  },
  {
    name: 'a HEAD of a part behind the end is a HEAD of the whole',
    asked: { method: 'HEAD', range: 'bytes=1000-' },
    want: whole,
  },
]
for (const { name, asked, want } of cases)
  t.test(name, async (t) => t.match(answerFor({ method: 'GET', ...asked }, file), want))
