import type { Machine } from '../model/machine.ts'
import { addBootOptions, bootFields, bootOf } from './boot.ts'
import type { Boot } from './boot.ts'
import { textBytes } from './options/codec.ts'
import { dhcpOption, getOption, setOption } from './options/table.ts'
import { broadcastFlag, layout, unsetIp } from './packet.ts'
import type { Query } from './query.ts'
import { addEchoes, destination, firstOptions, isAnswerable, isForUs, replyPacket, silent } from './reply.ts'
import type { Destination, DhcpContext, Reply } from './reply.ts'
import { asStranger, stranger } from './stranger.ts'

/**
 * The answer beside another DHCP server (PXE 2.1 §2.2.3, proxyDHCP): what to boot and from where, without address and
 * lease. On port 67 a DISCOVER is offered a boot file; a REQUEST there is the other server's unless it names us. On
 * port 4011 clients ask us alone, and are answered where they sent from.
 */
export function decideProxy(query: Query, known: Machine | undefined, context: DhcpContext): Reply {
  const { client, mac, type } = query
  const forAll = context.mode === 'auto-proxy'
  if (!known && !forAll) return silent('unknown-machine')
  if (known?.dhcpDisabled) return silent('dhcp-disabled')
  if (type === 'bootp') return silent('bootp')
  if (client.stage === 'os') return silent('not-netboot')
  const atProxyPort = context.door === 'proxy'
  if (!atProxyPort && !isAnswerable(query)) return silent('bad-address')
  if (!isAskedOfUs(query, context)) return silent('other-server')
  const unmanaged = forAll && (!known || known.netbootUnset === true)
  const machine = known ?? stranger(mac)
  const boot = proxyBoot(query, machine, unmanaged ? asStranger(context) : context, unmanaged)
  if (boot.kind === 'none') return silent(boot.why)
  return proxyReply(type === 'discover' ? 'offer' : 'ack', query, { machine, boot, context })
}

/**
 * A REQUEST that goes to all servers names the one it takes; one on port 4011 was sent to us, whatever it names. RELEASE
 * and DECLINE are about addresses, which we have none of.
 */
function isAskedOfUs(query: Query, context: DhcpContext): boolean {
  const { type, packet } = query
  if (type === 'discover') return true
  if (context.door === 'proxy') return type === 'request' || type === 'inform'
  return type === 'request' && packet.options.has(dhcpOption.serverId.code) && isForUs(query, context)
}

/** Tinkerbell's name of a file that does not exist: the firmware fails at once, and goes on with its next boot entry. */
function proxyBoot(query: Query, machine: Machine, context: DhcpContext, unmanaged: boolean): Boot {
  if (machine.allowPxe || unmanaged) return bootOf(query.client, machine, context)
  if (!context.netboot) return { kind: 'none', why: 'netboot-off' }
  return { kind: 'refused', file: `/${machine.mac}/netboot-not-allowed`, server: context.serverIp }
}

type Answer = { machine: Machine; boot: Exclude<Boot, { kind: 'none' }>; context: DhcpContext }

function proxyReply(kind: 'offer' | 'ack', query: Query, { machine, boot, context }: Answer): Reply {
  const options = firstOptions(kind, query, context)
  const { trace: _, ...untraced } = boot
  addBootOptions(options, query, machine, untraced)
  setOption(options, dhcpOption.vendorClass, query.client.stage === 'http' ? 'HTTPClient' : 'PXEClient')
  const { syslogIp } = context
  if (query.client.stage === 'ipxe') setOption(options, dhcpOption.logServers, syslogIp && [syslogIp])
  // the answer of the other server is the one that iPXE looks for this in
  options.delete(dhcpOption.ipxe.code)
  setOption(options, dhcpOption.clientMachineId, getOption(query.packet.options, dhcpOption.clientMachineId))
  addEchoes(options, query)
  const { giaddr, ciaddr } = query.packet
  const flags = query.packet.flags | (giaddr === unsetIp ? 0 : broadcastFlag)
  const sname = textBytes(boot.server).length < layout.sname.size ? boot.server : ''
  const packet = replyPacket(query, options, { ...bootFields(boot), sname, ciaddr, flags })
  const to: Destination = context.door === 'proxy' ? { ip: undefined, role: 'sender' } : destination(query)
  return { kind, ip: undefined, offLink: false, boot, packet, to }
}
