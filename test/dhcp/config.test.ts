import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import type { AppError } from '../../src/model/error.ts'

const faultsOf = (flags: Record<string, string>): string[] => {
  try {
    loadConfig({ env: {}, flags })
    return []
  } catch (error) {
    return (error as AppError).faults.map(({ path, message }) => `${path}: ${message}`)
  }
}

const range = '192.168.1.100-192.168.1.199'
const cases: { name: string; flags: Record<string, string>; want: RegExp[] }[] = [
  { name: 'proxy needs no interface', flags: { 'dhcp.mode': 'proxy' }, want: [] },
  {
    name: 'auto-proxy needs one',
    flags: { 'dhcp.mode': 'auto-proxy' },
    want: [/^interface: missing: dhcp.mode auto-proxy boots whatever asks/],
  },
  { name: 'auto-proxy with one', flags: { 'dhcp.mode': 'auto-proxy', interface: 'eth1' }, want: [] },
  {
    name: 'a pool needs an interface',
    flags: { 'dhcp.pool.range': range },
    want: [/^interface: missing: dhcp.pool/],
  },
  { name: 'a pool with one', flags: { 'dhcp.pool.range': range, interface: 'eth1' }, want: [] },
  {
    name: 'all faults of a pool are told',
    flags: {
      'dhcp.mode': 'proxy',
      'dhcp.pool.range': '192.168.1.9-192.168.1.1',
      'dhcp.pool.gateway': 'here',
      'dhcp.pool.nameServers': '1.1.1.1,there',
    },
    want: [
      /gateway: "here"/,
      /nameServers: "there"/,
      /range: .* ends before/,
      /dhcp.mode proxy/,
      /^interface/,
    ],
  },
  {
    name: 'a boot program that is a path',
    flags: { 'dhcp.archBinaries': '7=../etc/passwd' },
    want: [/^dhcp.archBinaries/],
  },
  {
    name: 'boot programs by architecture',
    flags: { 'dhcp.archBinaries': '7=snponly.efi, 6=a.efi' },
    want: [],
  },
]
for (const { name, flags, want } of cases)
  t.test(name, async (t) => {
    const faults = faultsOf(flags)
    t.equal(faults.length, want.length, faults.join('; '))
    for (const [index, pattern] of want.entries()) t.match(faults[index], pattern)
  })
