import { randomBytes } from 'node:crypto'
import t from 'tap'
import { longestRecord } from '../../src/inventory/records.ts'
import { openInventory } from './inventory.ts'
import type { OpenInventory } from './inventory.ts'
import { parseCsv } from './parse.ts'

const header = 'hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk'
const line = (n: number) =>
  `n${n},52:54:00:77:01:0${n},192.168.77.1${n},255.255.255.0,192.168.77.1,8.8.8.8,type=cp,/dev/sda`
const file = `${header}\n${line(1)}\n`
const utf16 = (text: string, mark: number[], swap = false) => {
  const bytes = Buffer.from(text, 'utf16le')
  return Buffer.concat([Buffer.from(mark), swap ? bytes.swap16() : bytes])
}

const texts = [
  { name: 'UTF-16 with its mark', bytes: utf16(file, [0xff, 0xfe]), line: 1, expected: /UTF-16/ },
  { name: 'UTF-16, big-endian', bytes: utf16(file, [0xfe, 0xff], true), line: 1, expected: /UTF-16/ },
  { name: 'UTF-16 without a mark', bytes: utf16(file, []), line: 1, expected: /UTF-16/ },
  { name: 'a NUL character', bytes: Buffer.from(`${file}n2\0,`), line: 3, expected: /NUL/ },
  { name: 'Latin-1', bytes: Buffer.from(`${file}caf\u00e9,`, 'latin1'), line: 3, expected: /UTF-8 text/ },
  {
    name: 'UTF-8 that breaks off',
    bytes: Buffer.from(`${file}\u20ac`).subarray(0, -1),
    line: 3,
    expected: /UTF-8/,
  },
]
for (const { name, bytes, line: at, expected } of texts) {
  t.test(`${name} is one clear fault, however the bytes arrive`, async (t) => {
    for (const size of [1, 2, 7, 65_536]) t.match(parseCsv(bytes, size), { faults: [{ line: at, expected }] })
  })
}

const files = [
  {
    name: 'semicolons instead of commas',
    text: file.replaceAll(',', ';'),
    faults: [{ line: 1, expected: /the file has semicolons between its columns: save it with commas/ }],
  },
  {
    name: 'tabs instead of commas',
    text: file.replaceAll(',', '\t'),
    faults: [{ line: 1, expected: /tabs between its columns/ }],
  },
  {
    name: 'names in capitals',
    text: file.replace('hostname', 'Hostname').replace('ip_address', 'IP Address'),
    faults: [
      { line: 1, expected: /hostname, ip_address; names are spelt exactly: "hostname", not "Hostname"/ },
    ],
  },
  {
    name: 'a header that is there twice',
    text: file.replace('hostname', 'mac'),
    faults: [{ column: 'hostname' }, { column: 'mac', expected: /once/ }],
  },
  {
    name: 'a quote that is never closed',
    text: `${header}\n"${line(1)}\n${line(2)}\n`,
    faults: [{ line: 2, expected: /well-formed CSV: Quoted field unterminated/ }],
  },
  {
    name: 'text after a closing quote',
    text: `${header}\n"n1"x,${line(2)}\n`,
    faults: [{ line: 2, expected: /well-formed CSV/ }],
  },
]
for (const { name, text, faults } of files) {
  t.test(`${name}: a fault that says so`, async (t) => t.match(parseCsv(text), { faults, rows: [] }))
}

t.test('a file means the same in pieces of any size', async (t) => {
  const text = `\uFEFF${header}\r\n"n1",${line(1).slice(3)}\r${line(2)}\n\n${line(3).replace('type=cp', '"a=1|b=2"')}`
  const whole = parseCsv(text)
  t.equal(whole.rows.length, 3)
  for (let size = 1; size < 40; size++) t.same(parseCsv(text, size), whole)
})

t.test('a line without end and a quote without end are cut off', async (t) => {
  for (const begin of ['x', '"'])
    t.match(parseCsv(`${header}\n${begin}${'y'.repeat(3 * longestRecord)}\n${line(1)}`, 1000), {
      faultCount: 1,
      faults: [{ line: 2, expected: /a row of at most 128 KiB; is a quote never closed\?/ }],
    })
})

t.test('columns without number are cut off', async (t) => {
  t.match(parseCsv(`${'a,'.repeat(60_000)}b\n`).faults, [{ line: 1, expected: /at most 1000 columns/ }])
  t.match(parseCsv(`${'a,'.repeat(1_000_000)}b\n`).faults, [{ line: 1, expected: /128 KiB/ }])
  t.match(parseCsv(`${header}\n${','.repeat(60_000)}x\n`).faults, [{ line: 2, expected: /1000 columns/ }])
  const wide = Array.from({ length: 900 }, (_, at) => `c${at}`).join(',')
  const { warnings } = parseCsv(`${header},${wide}\n${line(1)},${',x'.repeat(899)}`)
  t.match(warnings, [/^unknown columns are left out: c0, .*c19 and 880 more$/])
})

t.test('what a spreadsheet would take for a formula is data', async (t) => {
  const row = `${line(1)},"=cmd|' /C calc'!A0",+49-30,-1,@SUM(A1)`
  const { rows, faults } = parseCsv(`${header},user_data,a,b,c\n${row}\n`)
  t.same(faults, [])
  t.match(rows, [{ userData: "=cmd|' /C calc'!A0" }])
})

t.test('of many faults the first are told, and how many there are', async (t) => {
  const bad = Array.from({ length: 5000 }, (_, at) => `x_${at},,,,,,,`)
  const { faults, faultCount } = parseCsv([header, ...bad].join('\n'))
  t.equal(faults.length, 500)
  t.equal(faultCount, 35_000)
})

t.test('bad bytes are never imported, not even in part, and leave nothing behind', async (t) => {
  const house = await openInventory()
  const nothing = async (house: OpenInventory) => {
    t.same(await house.names(), [])
    t.same(await house.side.list('import', ''), [])
  }
  for (let round = 0; round < 200; round++) {
    const noise =
      round % 2 === 0 ? randomBytes(2000) : Buffer.from(randomBytes(2000).map((byte) => byte & 127))
    const bytes = Buffer.concat([Buffer.from(round % 3 === 0 ? file : ''), noise])
    const report = await house.load(bytes)
    t.ok('faults' in report && report.faults.length > 0)
  }
  await nothing(house)
  await t.rejects(
    house.load(file, {
      onProgress: () => {
        throw new Error('the client is gone')
      },
    }),
    /gone/,
  )
  await nothing(house)
  await house.close()
})
