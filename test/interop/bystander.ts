import dgram from 'node:dgram'
import { dhcpOption, getOption } from '../../src/dhcp/options/table.ts'
import { parse } from '../../src/dhcp/packet.ts'
import { macFromBytes } from '../../src/model/mac.ts'

/** Another host on a link: prints a JSON line for each DHCP message that reaches it, which are the broadcast ones. */
const ports = [67, 68]
let open = 0
for (const to of ports) {
  const socket = dgram.createSocket('udp4')
  socket.on('message', (bytes) => {
    const packet = parse(bytes)
    if (typeof packet === 'string') return
    const mac = macFromBytes(packet.chaddr.subarray(0, 6))
    console.log(JSON.stringify({ to, mac, type: getOption(packet.options, dhcpOption.messageType) }))
  })
  socket.bind(to, '0.0.0.0', () => {
    open += 1
    if (open === ports.length) console.log('listening')
  })
}
