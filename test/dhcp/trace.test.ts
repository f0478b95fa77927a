import t from 'tap'
import { answerOf } from '../../src/dhcp/answer.ts'
import { createAnswers } from '../../src/dhcp/answers.ts'
import { decide } from '../../src/dhcp/decide.ts'
import type { DhcpContext } from '../../src/dhcp/decide.ts'
import { encode } from '../../src/dhcp/encode.ts'
import { dhcpOption, getOption } from '../../src/dhcp/options/table.ts'
import { tracesOf } from '../../src/dhcp/trail.ts'
import { binaryFile } from '../../src/boot/files.ts'
import type { Machine } from '../../src/model/machine.ts'
import { clients, discover, machine, query, request, serverIp } from './packets.ts'
import type { Values } from './packets.ts'

const parent = { traceId: '23b1e307bb35484f535a1f772c06910e', spanId: 'd887dc3912240434' }
const suffix = `-00-${parent.traceId}-${parent.spanId}-01`
const octets = [0, ...Buffer.from(parent.traceId + parent.spanId, 'hex'), 1]
const scriptUrl = 'http://192.168.77.1:7171/ipxe/script/auto.ipxe'
const context: DhcpContext = {
  serverIp,
  httpPort: 7171,
  netboot: true,
  scriptUrl: () => scriptUrl,
  traceParent: () => parent,
}
const { ovmfPxe, ovmfHttp, seabiosIpxe, dhclient } = clients

function answered(values: Values, change: Partial<DhcpContext> = {}, known: Partial<Machine> = {}) {
  const asked = query({ ...discover, ...values })
  const reply = decide(asked, { ...machine, ...known }, { ...context, ...change })
  if (reply.kind !== 'offer') throw new Error(`no offer but ${JSON.stringify(reply)}`)
  const specific = getOption(reply.packet.options, dhcpOption.vendorSpecific)
  const trace = specific?.get(69)
  const boot = reply.packet.file
  return { asked, reply, file: boot, menu: specific?.get(6), trace: trace && [...trace] }
}

t.test('firmware is given the trace of its boot, in an option and in the name of its file', async (t) => {
  const { file, menu, trace, asked, reply } = answered(ovmfPxe)
  t.equal(file, `ipxe.efi${suffix}`)
  t.same([...menu!], [8])
  t.same(trace, octets)
  t.equal(octets.length, 26)
  t.same(binaryFile(file), { root: 'ipxe', path: 'ipxe.efi' }, 'which means the same file')
  t.match(
    tracesOf(asked, reply).at(-1),
    { facts: { file: 'ipxe.efi' } },
    'and looks the same in the timeline',
  )
})

t.test('so is firmware that boots by HTTP', async (t) => {
  const { file, trace } = answered(ovmfHttp)
  t.equal(file, `http://192.168.77.1:7171/ipxe/binary/ipxe.efi${suffix}`)
  t.same(trace, octets)
})

t.test(
  'a script keeps its URL; what a Hardware names stays as it is; a system is given nothing',
  async (t) => {
    const ipxe = answered(seabiosIpxe)
    t.same([ipxe.file, ipxe.trace], [scriptUrl, octets])
    const own = answered(ovmfPxe, {}, { tftpServerName: '192.0.2.1', bootFileName: 'own.efi' })
    t.same([own.file, own.trace], ['own.efi', undefined])
    t.equal(answered(dhclient).trace, undefined)
  },
)

t.test('a proxy names the trace in the file alone', async (t) => {
  const { file, trace } = answered(ovmfPxe, { mode: 'proxy' })
  t.same([file, trace], [`ipxe.efi${suffix}`, undefined])
})

t.test('where boots are not traced nothing is added', async (t) => {
  for (const traceParent of [undefined, () => undefined]) {
    const { file, trace } = answered(ovmfPxe, { traceParent })
    t.same([file, trace], ['ipxe.efi', undefined])
  }
})

t.test('an answer with a trace is not given to another boot', async (t) => {
  const answers = createAnswers()
  const { bytes } = encode(request({ ...discover, ...ovmfPxe }), 1500)
  for (const change of [context, { ...context, traceParent: undefined }]) {
    const asked = query({ ...discover, ...ovmfPxe })
    const reply = decide(asked, machine, change)
    answers.keep(bytes, { query: asked, reply, machine, context: change }, answerOf(asked, reply))
    t.equal(answers.find(bytes, machine, change) !== undefined, change.traceParent === undefined)
  }
})
