import t from 'tap'
import { clientAddress, isNetwork, trustOf } from '../../src/model/forwarded.ts'

const trusted = trustOf(['10.0.0.0/8', '192.0.2.1', '2001:db8::/32', 'nonsense'])

const cases: { name: string; peer: string; header?: string; want: string | undefined }[] = [
  { name: 'a client without a proxy', peer: '203.0.113.5', want: '203.0.113.5' },
  {
    name: 'a client that claims to be another',
    peer: '203.0.113.5',
    header: '10.1.1.1',
    want: '203.0.113.5',
  },
  { name: 'a proxy that names its client', peer: '10.0.0.1', header: '203.0.113.5', want: '203.0.113.5' },
  { name: 'a proxy that asks for itself', peer: '10.0.0.1', want: '10.0.0.1' },
  { name: 'two proxies', peer: '10.0.0.1', header: '203.0.113.5, 192.0.2.1', want: '203.0.113.5' },
  {
    name: 'a client that put a claim in front',
    peer: '10.0.0.1',
    header: '198.51.100.9, 203.0.113.5',
    want: '203.0.113.5',
  },
  {
    name: 'proxies only: the first of them',
    peer: '10.0.0.1',
    header: '10.0.0.3, 10.0.0.2',
    want: '10.0.0.3',
  },
  {
    name: 'an IPv4 peer in the spelling of IPv6',
    peer: '::ffff:10.0.0.1',
    header: '203.0.113.5',
    want: '203.0.113.5',
  },
  {
    name: 'a hop in the spelling of IPv6',
    peer: '10.0.0.1',
    header: '::ffff:203.0.113.5',
    want: '203.0.113.5',
  },
  { name: 'an IPv6 proxy', peer: '2001:db8::1', header: '203.0.113.5', want: '203.0.113.5' },
  { name: 'a hop with its port', peer: '10.0.0.1', header: '203.0.113.5:4711', want: '203.0.113.5' },
  { name: 'an IPv6 hop with its port', peer: '10.0.0.1', header: '[2001:db9::1]:80', want: '2001:db9::1' },
  { name: 'no address at all', peer: '10.0.0.1', header: 'unknown', want: undefined },
  { name: 'an empty field', peer: '10.0.0.1', header: '', want: undefined },
  { name: 'an odd spelling of IPv4', peer: '10.0.0.1', header: '0xcb.0.113.5', want: undefined },
]

for (const { name, peer, header, want } of cases)
  t.test(name, async (t) => t.equal(clientAddress(peer, header, trusted), want))

t.test('addresses and networks, IPv4 and IPv6', async (t) => {
  for (const text of ['10.0.0.0/8', '10.0.0.1', '::1', 'fd00::/8']) t.ok(isNetwork(text), text)
  for (const text of ['10.0.0.0/33', '10.0.0', 'proxy.example', '', '10.0.0.1/x'])
    t.notOk(isNetwork(text), text)
  t.notOk(trusted('11.0.0.1'))
  t.notOk(trusted('nonsense'))
  t.notOk(trusted('2001:db9::1'))
})
