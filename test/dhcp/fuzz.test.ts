import t from 'tap'
import { macFromBytes } from '../../src/model/mac.ts'
import { decide } from '../../src/dhcp/decide.ts'
import { encode } from '../../src/dhcp/encode.ts'
import { dhcpOption, getOption } from '../../src/dhcp/options/table.ts'
import { parse, unsetIp } from '../../src/dhcp/packet.ts'
import { readQuery } from '../../src/dhcp/query.ts'
import { tracesOf } from '../../src/dhcp/trail.ts'
import { clients, discover, ip4, machine, request, requestType, serverIp } from './packets.ts'
import { randomFrom } from '../tftp/random.ts'

const context = { serverIp, httpPort: 7171, netboot: true, scriptUrl: () => 'http://192.168.77.1/s' }
const relayed = { giaddr: ip4('10.0.0.1') }
const seeds = Object.values(clients).flatMap((values) => [
  encode(request({ ...discover, ...values }), 1500).bytes,
  encode(request({ ...requestType, ...values, 50: [192, 168, 77, 21], 82: [1, 2, 3, 4] }, relayed), 1500)
    .bytes,
  encode(request({ 53: [8], ...values, 52: [3], 119: [1, 97, 0xc0, 0], 121: [8, 10, 1, 1, 1, 1] })).bytes,
])

t.test(
  'ten thousand damaged packets throw nothing and never yield an address that is not reserved',
  async (t) => {
    const random = randomFrom(20260501)
    const counts = { dropped: 0, silent: 0, answered: 0 }
    for (let round = 0; round < 10_000; round += 1) {
      const bytes = Uint8Array.from(seeds[random(seeds.length)]!)
      for (let change = random(6); change > 0; change -= 1) bytes[random(bytes.length)] = random(256)
      if (random(3) === 0)
        for (let near = 0; near < 4; near += 1) bytes[240 + random(bytes.length - 240)] = random(256)
      const packet = parse(bytes.subarray(0, random(4) === 0 ? random(bytes.length) : bytes.length))
      const query = typeof packet === 'string' ? packet : readQuery(packet)
      if (typeof query === 'string') {
        counts.dropped += 1
        continue
      }
      const known = query.mac === machine.mac ? machine : undefined
      const reply = decide(query, known, context)
      tracesOf(query, reply)
      if (reply.kind === 'silent') {
        counts.silent += 1
        continue
      }
      counts.answered += 1
      const sent = parse(
        encode(reply.packet, getOption(query.packet.options, dhcpOption.maxMessageSize)).bytes,
      )
      if (typeof sent === 'string') return t.fail(`our own reply cannot be read: ${sent}`)
      const isReserved =
        macFromBytes(sent.chaddr.subarray(0, 6)) === machine.mac && sent.yiaddr === machine.ip
      if (sent.yiaddr !== unsetIp && !isReserved) return t.fail(`gave ${sent.yiaddr} to ${query.mac}`)
      if (sent.xid !== query.packet.xid) return t.fail('another transaction id')
    }
    t.ok(counts.dropped > 500 && counts.silent > 100 && counts.answered > 1000, JSON.stringify(counts))
  },
)
