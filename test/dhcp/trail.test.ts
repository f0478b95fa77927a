import t from 'tap'
import { publicFile } from '../../src/dhcp/boot.ts'
import { decide } from '../../src/dhcp/decide.ts'
import { tracesOf } from '../../src/dhcp/trail.ts'
import { clients, discover, ip4, machine, mac, query, requestType, serverIp } from './packets.ts'
import type { Values } from './packets.ts'

const scriptUrl = () => `http://192.168.77.1:7171/ipxe/script/${mac}/5ec4e7/auto.ipxe`
const context = { serverIp, httpPort: 7171, netboot: true, scriptUrl }
const traces = (values: Values, known: typeof machine | undefined = machine, giaddr = ip4('0.0.0.0')) => {
  const asked = query(values, { giaddr })
  return tracesOf(asked, decide(asked, known, context))
}
const masked = `http://192.168.77.1:7171/ipxe/script/${mac}/…/auto.ipxe`
const cases = [
  {
    name: 'an iPXE discovery shows its script without the nonce',
    got: traces({ ...discover, ...clients.seabiosIpxe }),
    want: [
      { stage: 'dhcp-discover', facts: { client: 'ipxe', arch: '0' } },
      { stage: 'dhcp-offer', facts: { ip: '192.168.77.21', file: masked } },
    ],
  },
  {
    name: 'a relayed request shows its relay',
    got: traces({ ...requestType, 50: [192, 168, 77, 21] }, machine, ip4('192.168.77.250')),
    want: [
      { stage: 'dhcp-request', facts: { ip: '192.168.77.21', client: 'os', relay: '192.168.77.250' } },
      { stage: 'dhcp-ack', facts: { ip: '192.168.77.21' } },
    ],
  },
  {
    name: 'a refusal shows the address that was claimed',
    got: traces({ ...requestType, 50: [10, 0, 0, 9] }),
    want: [
      { stage: 'dhcp-request', facts: { ip: '10.0.0.9', client: 'os' } },
      { stage: 'dhcp-nak', facts: { ip: '10.0.0.9', why: 'wrong-address' } },
    ],
  },
  {
    name: 'an unknown architecture shows why there is no file',
    got: traces({ ...discover, 60: 'PXEClient', 93: [0, 6] }),
    want: [
      { stage: 'dhcp-discover', facts: { client: 'firmware', arch: '6' } },
      { stage: 'dhcp-offer', facts: { ip: '192.168.77.21', noFile: 'unknown-arch' } },
    ],
  },
  {
    name: 'a machine that declines shows the address that another one uses',
    got: traces({ 53: [4], 50: [192, 168, 77, 21] }),
    want: [{ stage: 'dhcp-silent', facts: { type: 'decline', ip: '192.168.77.21', why: 'declined' } }],
  },
  {
    name: 'a machine that speaks BOOTP shows why it is not answered',
    got: traces({ 12: 'old' }),
    want: [{ stage: 'dhcp-silent', facts: { type: 'bootp', why: 'bootp' } }],
  },
  {
    name: 'an address that is not of the link is marked',
    got: traces(discover, machine, ip4('10.0.0.1')),
    want: [
      { stage: 'dhcp-discover', facts: { client: 'os', relay: '10.0.0.1' } },
      { stage: 'dhcp-offer', facts: { ip: '192.168.77.21', offLink: true } },
    ],
  },
  {
    name: 'a release leaves one entry',
    got: traces({ 53: [7] }),
    want: [{ stage: 'dhcp-silent', facts: { type: 'release', why: 'released' } }],
  },
]
for (const { name, got, want } of cases) t.test(name, async (t) => t.same(got, want))

t.test('a file without a nonce is shown as it is', async (t) => {
  for (const file of ['ipxe.efi', `http://h/ipxe/script/${mac}/auto.ipxe`]) t.equal(publicFile(file), file)
})
