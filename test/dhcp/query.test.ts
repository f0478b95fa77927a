import t from 'tap'
import { readQuery } from '../../src/dhcp/query.ts'
import { clients, discover, mac, request } from './packets.ts'

const refused = [
  { name: 'a reply', packet: request({ 53: [2] }, { op: 2 }), want: 'not-a-request' },
  { name: 'another hardware type', packet: request(discover, { htype: 6 }), want: 'not-ethernet' },
  {
    name: 'a hardware address of another length',
    packet: request(discover, { hlen: 8 }),
    want: 'not-ethernet',
  },
  { name: 'a message type of two octets', packet: request({ 53: [1, 1] }), want: 'not-a-client-message' },
  { name: 'an empty message type', packet: request({ 53: [] }), want: 'not-a-client-message' },
  { name: 'an OFFER sent as a request', packet: request({ 53: [2] }), want: 'not-a-client-message' },
  { name: 'a lease query', packet: request({ 53: [10] }), want: 'not-a-client-message' },
]
for (const { name, packet, want } of refused) {
  t.test(`${name} is no query`, async (t) => t.equal(readQuery(packet), want))
}

t.test('a message without a type is BOOTP', async (t) =>
  t.match(readQuery(request({ 12: 'old' })), { type: 'bootp', mac }),
)

const stages = [
  { values: clients.ovmfPxe, want: { stage: 'firmware', archs: [7] } },
  { values: clients.ovmfHttp, want: { stage: 'http', archs: [16] } },
  { values: clients.arm64Pxe, want: { stage: 'firmware', archs: [11] } },
  { values: clients.intelRom, want: { stage: 'firmware', archs: [0] } },
  { values: clients.seabiosIpxe, want: { stage: 'ipxe', archs: [0] } },
  { values: clients.dhclient, want: { stage: 'os', archs: [] } },
  { values: clients.udhcpc, want: { stage: 'os', archs: [] } },
]
for (const { values, want } of stages) {
  t.test(`${JSON.stringify(want)} is told by its options`, async (t) => {
    t.match(readQuery(request({ ...discover, ...values })), { type: 'discover', mac, client: want })
  })
}
