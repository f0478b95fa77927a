import t from 'tap'
import { macFromBytes, macFromNumber, macToBytes, macToNumber, parseMac } from '../../src/model/mac.ts'

const cases = [
  { text: 'aa:bb:cc:dd:ee:ff', want: 'aa:bb:cc:dd:ee:ff' },
  { text: 'AA:BB:CC:DD:EE:FF', want: 'aa:bb:cc:dd:ee:ff' },
  { text: '00-1B-21-0a-ff-10', want: '00:1b:21:0a:ff:10' },
  { text: '001b.210A.ff10', want: '00:1b:21:0a:ff:10' },
  { text: '', want: undefined },
  { text: '001b210aff10', want: undefined },
  { text: 'aa:bb:cc:dd:ee', want: undefined },
  { text: 'aa:bb:cc:dd:ee:ff:00', want: undefined },
  { text: 'aa:bb:cc-dd-ee-ff', want: undefined },
  { text: 'gg:bb:cc:dd:ee:ff', want: undefined },
  { text: 'a:b:c:d:e:f', want: undefined },
  { text: ' aa:bb:cc:dd:ee:ff', want: undefined },
  { text: 'aa:bb:cc:dd:ee:ff\n', want: undefined },
]

t.test('a MAC is read in every usual spelling and no other', async (t) => {
  for (const { text, want } of cases) t.equal(parseMac(text), want, JSON.stringify(text))
})

t.test('a MAC goes to the wire and back', async (t) => {
  const mac = parseMac('00:1b:21:0a:ff:10')!
  t.same([...macToBytes(mac)], [0, 0x1b, 0x21, 0x0a, 0xff, 0x10])
  t.equal(macFromBytes(macToBytes(mac)), mac)
  for (const length of [0, 5, 7, 16]) t.equal(macFromBytes(new Uint8Array(length)), undefined)
})

t.test('a MAC is a number of 48 bits and back', async (t) => {
  for (const text of ['00:00:00:00:00:00', '00:1b:21:0a:ff:10', 'ff:ff:ff:ff:ff:ff']) {
    const number = macToNumber(parseMac(text)!)
    t.equal(number, Number.parseInt(text.replaceAll(':', ''), 16))
    t.equal(macFromNumber(number), text)
  }
})
