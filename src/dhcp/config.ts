import { Type } from 'typebox'
import type { Static } from 'typebox'
import type { Fault } from '../model/error.ts'
import { parseIp4 } from '../model/ip4.ts'
import { parseRange } from './range.ts'

const strict = { additionalProperties: false } as const
const port = (value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65535, default: value, description })

/** The settings of DHCP, below `dhcp`. */
export const DhcpConfig = Type.Object(
  {
    mode: Type.Union(
      [Type.Literal('reservation'), Type.Literal('proxy'), Type.Literal('auto-proxy'), Type.Literal('off')],
      {
        default: 'reservation',
        description:
          'reservation: give the machines of the inventory their addresses; proxy: say what they boot, beside ' +
          'another DHCP server; auto-proxy: say it to unknown machines too; off: leave DHCP to another server',
      },
    ),
    port: port(67, 'UDP port of the DHCP server'),
    proxyPort: port(4011, 'UDP port of the proxy modes, besides dhcp.port'),
    clientRate: Type.Integer({
      minimum: 0,
      maximum: 100_000,
      default: 20,
      description: 'messages a second that one client may send, three times as many at once; 0: any number',
    }),
    archBinaries: Type.Array(Type.String({ pattern: '^[0-9]{1,5}=[A-Za-z0-9_][A-Za-z0-9._-]*$' }), {
      default: [],
      description:
        'boot programs by client architecture (option 93), such as 6=ipxe-i386.efi, comma-separated',
    }),
    pool: Type.Object(
      {
        range: Type.String({
          default: '',
          description:
            'addresses for machines without a reservation, such as 192.168.1.100-192.168.1.199; default: none',
        }),
        leaseSeconds: Type.Integer({
          minimum: 1,
          maximum: 4_294_967_294,
          default: 600,
          description: 'lease of an address of the pool',
        }),
        gateway: Type.String({ default: '', description: 'router that the pool tells; default: none' }),
        nameServers: Type.Array(Type.String(), {
          default: [],
          description: 'DNS servers that the pool tells, comma-separated',
        }),
        probe: Type.Boolean({
          default: true,
          description: 'look by ARP whether somebody has an address before it is offered',
        }),
      },
      strict,
    ),
  },
  strict,
)

export type DhcpConfig = Static<typeof DhcpConfig>

/** What is wrong with settings that are well formed one by one. */
export function dhcpFaults(dhcp: Partial<DhcpConfig> | undefined, interfaces: unknown): Fault[] {
  const isNamed = Array.isArray(interfaces) && interfaces.length > 0
  const unnamed = (what: string): Fault => ({
    path: 'interface',
    message: `missing: ${what}, so it has to be said on which network interface`,
  })
  const autoProxy = dhcp?.mode === 'auto-proxy' && !isNamed
  return [
    ...(autoProxy ? [unnamed('dhcp.mode auto-proxy boots whatever asks')] : []),
    ...poolFaults(dhcp, isNamed ? undefined : unnamed('dhcp.pool gives addresses to whatever asks')),
  ]
}

function poolFaults(dhcp: Partial<DhcpConfig> | undefined, unnamed: Fault | undefined): Fault[] {
  const { range, gateway, nameServers } = dhcp?.pool ?? {}
  const faults: Fault[] = []
  if (gateway && !parseIp4(gateway))
    faults.push({ path: 'dhcp.pool.gateway', message: `"${gateway}" is no IPv4 address` })
  for (const server of Array.isArray(nameServers) ? nameServers : [])
    if (!parseIp4(String(server)))
      faults.push({ path: 'dhcp.pool.nameServers', message: `"${server}" is no IPv4 address` })
  if (!range || typeof range !== 'string') return faults
  const parsed = parseRange(range)
  if (typeof parsed === 'string') faults.push({ path: 'dhcp.pool.range', message: `"${range}" ${parsed}` })
  if (dhcp?.mode !== undefined && dhcp.mode !== 'reservation')
    faults.push({
      path: 'dhcp.pool.range',
      message: `means nothing with dhcp.mode ${dhcp.mode}, which gives no addresses`,
    })
  return unnamed ? [...faults, unnamed] : faults
}
