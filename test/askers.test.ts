import t from 'tap'
import { askersOf } from '../src/askers.ts'
import type { Ip4 } from '../src/model/ip4.ts'
import type { Mac } from '../src/model/mac.ts'
import { parseMac } from '../src/model/mac.ts'
import { ip4, machine } from './dhcp/packets.ts'

const unknown = parseMac('02:00:00:00:00:09')!
const [reserved, leased, heard, leasedToOther, heardOfOther, nobodys] = [20, 21, 22, 23, 24, 25].map((last) =>
  ip4(`192.168.77.${last}`),
) as [Ip4, Ip4, Ip4, Ip4, Ip4, Ip4]
const other = { ...machine, name: 'other', mac: parseMac('02:00:00:00:00:08')! }
const leases = new Map<Ip4, Mac>([
  [leased, machine.mac],
  [leasedToOther, unknown],
  [reserved, unknown],
])
const said = new Map<Ip4, Mac>([
  [heard, machine.mac],
  [heardOfOther, unknown],
  [reserved, machine.mac],
  [leased, unknown],
])
const { machineByIp, whoAt, isHearsay } = askersOf({
  lookup: {
    machineByIp: (ip) => (ip === reserved ? other : undefined),
    machineByMac: (mac) => (mac === machine.mac ? machine : undefined),
  },
  holderOf: (ip) => leases.get(ip),
  heardOf: (ip) => said.get(ip),
})

const cases: [string, Ip4, string | undefined, string | undefined, boolean][] = [
  ['an address of a Hardware is that Hardware’s, whoever says what', reserved, 'other', other.mac, false],
  ['a lease of our pool comes before what is said', leased, machine.name, machine.mac, false],
  ['a machine that took its address elsewhere', heard, machine.name, machine.mac, true],
  ['an unknown machine with a lease of ours', leasedToOther, undefined, unknown, false],
  ['an unknown machine with an address from elsewhere', heardOfOther, undefined, unknown, true],
  ['an address that nobody has', nobodys, undefined, undefined, true],
]
for (const [name, ip, known, mac, isSaid] of cases)
  t.test(name, async (t) =>
    t.same([machineByIp(ip)?.name, whoAt(ip)?.mac, isHearsay(ip)], [known, mac, isSaid]),
  )
