import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { encode as encodeDhcp } from '../../src/dhcp/encode.ts'
import { dhcpOption, getOption, setOption } from '../../src/dhcp/options/table.ts'
import type { Option } from '../../src/dhcp/options/table.ts'
import { parse as parseDhcp } from '../../src/dhcp/packet.ts'
import type { DhcpPacket } from '../../src/dhcp/packet.ts'
import { whyNoLab } from '../../src/lab/ability.ts'
import { essence, messagesOf } from '../../src/lab/capture.ts'
import { captureText } from '../../src/lab/capture-text.ts'
import { readPcap, writePcap } from '../../src/lab/pcap.ts'
import { encode as encodeTftp, parse as parseTftp } from '../../src/tftp/packet.ts'
import { blind, mutations } from '../fuzz/mutate.ts'
import { boots, capture } from './boots.ts'
import { captured, capturedText, captureFile, captureNames } from './captures.ts'
import { fillListings } from './listing.ts'

/** `1` writes the texts and the page again from the captures; `boot`, or one boot's name, captures anew before that. */
const update = process.env['UPDATE_CAPTURES']
const wanted = boots.filter(({ name }) => update === 'boot' || update === name)
const largest = 300_000

if (wanted.length > 0)
  t.test('captures are made again', async (t) => {
    t.setTimeout(15 * 60_000)
    const why = whyNoLab()
    if (why !== undefined) throw new Error(`no machine can be booted here: ${why}`)
    for (const boot of wanted) {
      const frames = essence(await capture(boot))
      writeFileSync(captureFile(`${boot.name}.pcap`), writePcap(frames))
      t.comment(`${boot.name}: ${frames.length} frames`)
    }
  })

t.test('every boot has its capture', async (t) => {
  t.same(captureNames(), boots.map(({ name }) => name).toSorted())
})

for (const name of captureNames()) {
  t.test(`${name} reads as its text says`, async (t) => {
    const file = readFileSync(captureFile(`${name}.pcap`))
    const messages = captured(name)
    const text = captureText(messages)
    if (update) writeFileSync(captureFile(`${name}.txt`), text)
    t.equal(text, capturedText(name), 'decoded as it is stored (UPDATE_CAPTURES=1 stores it anew)')
    t.equal(statSync(captureFile(`${name}.pcap`)).size < largest, true, 'it is small')
    t.equal(messages.length, readPcap(file).length, 'it holds nothing else')
    t.same(
      messages.filter(({ content }) => content.kind === 'broken'),
      [],
      'every message is readable',
    )
    t.ok(Buffer.from(writePcap(essence(readPcap(file)))).equals(file), 'it is written as it is read')
  })

  t.test(`every packet of ${name} survives decode, encode, decode`, async (t) => {
    for (const { content, segment } of captured(name)) {
      if (content.kind === 'dhcp') survivesDhcp(t, content.packet)
      if (content.kind === 'tftp') t.same(parseTftp(encodeTftp(content.packet)), content.packet)
      if (content.kind === 'tftp' && content.packet.op !== 'read')
        t.same(encodeTftp(content.packet), segment.payload, 'octet by octet')
    }
  })
}

function survivesDhcp(t: Test, packet: DhcpPacket): void {
  const { bytes, leftOut } = encodeDhcp(packet, 1500)
  t.same(leftOut, [])
  t.same(parseDhcp(bytes), packet)
  for (const option of Object.values(dhcpOption) as Option<unknown>[]) {
    const value = getOption(packet.options, option)
    if (!packet.options.has(option.code)) continue
    const again = new Map<number, Uint8Array>()
    setOption(again, option, value)
    t.same(getOption(again, option), value, `option ${option.code}`)
  }
}

/** As another machine writes it: big-endian, in ns. */
function otherOrder(file: Uint8Array): Uint8Array {
  const other = file.slice()
  const view = new DataView(other.buffer)
  const swap = (offset: number, change = (value: number) => value) =>
    view.setUint32(offset, change(view.getUint32(offset, true)))
  for (const offset of [8, 12, 16, 20]) swap(offset)
  view.setUint32(0, 0xa1b23c4d)
  for (let offset = 24; offset < other.length; offset += 16 + view.getUint32(offset + 8)) {
    for (const field of [0, 8, 12]) swap(offset + field)
    swap(offset + 4, (microseconds) => microseconds * 1000)
  }
  return other
}

t.test('a capture of the other byte order, in ns, reads the same', async (t) => {
  const file = new Uint8Array(readFileSync(captureFile('uefi-http.pcap')))
  t.same(readPcap(otherOrder(file)), readPcap(file))
})

t.test('a capture that was cut off reads as far as it goes, and anything else is refused', async (t) => {
  const file = new Uint8Array(readFileSync(captureFile('uefi-http.pcap')))
  t.same(readPcap(file.subarray(0, file.length - 1)), readPcap(file).slice(0, -1))
  t.same(readPcap(file.subarray(0, 30)), [])
  for (const bytes of [new Uint8Array(0), file.subarray(0, 23), new Uint8Array(100)])
    t.throws(() => readPcap(bytes), { code: 'Invalid' })
  const otherLink = file.slice()
  otherLink[20] = 101
  t.throws(() => readPcap(otherLink), { code: 'Invalid', message: /link type 101/ })
})

t.test('damaged frames are described or passed over', async (t) => {
  const packets = captureNames().flatMap((name) =>
    captured(name).map(({ frame }) => new Uint8Array(frame.bytes)),
  )
  let described = 0
  let round = 0
  for (const { bytes } of mutations({ packets, lenders: packets }, blind)) {
    if (round === 5000) break
    round += 1
    const messages = messagesOf([{ at: round, size: bytes.length, bytes }])
    described += messages.length
    captureText(messages)
    essence([{ at: round, size: bytes.length, bytes }])
  }
  t.ok(described > 500, `${described} of ${round}`)
})

t.test('the packets of docs/booting.md are those of the captures', async (t) => {
  const path = fileURLToPath(new URL('../../docs/booting.md', import.meta.url))
  const filled = fillListings(readFileSync(path, 'utf8'), captured)
  if (update) writeFileSync(path, filled)
  t.equal(readFileSync(path, 'utf8'), filled, 'UPDATE_CAPTURES=1 writes them anew')
})
