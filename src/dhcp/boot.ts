import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Mac } from '../model/mac.ts'
import type { Machine } from '../model/machine.ts'
import { traceOctets, traceSuffix, withoutTrace } from '../model/trace-parent.ts'
import type { TraceParent } from '../model/trace-parent.ts'
import { binaryFor, isRaspberryPi, raspberryPiArch } from './arch.ts'
import type { ArchBinaries } from './arch.ts'
import { textBytes } from './options/codec.ts'
import { dhcpOption, getOption, setOption } from './options/table.ts'
import { layout, unsetIp } from './packet.ts'
import type { Client, Query } from './query.ts'

/**
 * What a client is told to boot. `custom` is what the Hardware itself names; `script` a URL for iPXE; `tftp` and `http`
 * are iPXE for a firmware; `refused` names a file that does not exist.
 */
export type Boot =
  | {
      kind: 'custom' | 'script' | 'tftp' | 'http' | 'refused'
      file: string
      server: string
      /** of this boot, where boots are traced */
      trace?: TraceParent
    }
  | { kind: 'none'; why: 'not-netboot' | 'netboot-off' | 'unknown-arch' }

export type BootContext = {
  serverIp: Ip4
  httpPort: number
  /** whether clients get boot files at all */
  netboot: boolean
  /** the URL of this machine's iPXE script, with its nonce */
  scriptUrl(machine: Machine): string
  /** the URL of the iPXE script for a machine that no Hardware knows */
  strangerUrl?: ((mac: Mac) => string) | undefined
  /** boot programs by architecture, before our own */
  archBinaries?: ArchBinaries | undefined
  /** the span of the boot that the machine is in, or begins by asking; none where boots are not traced */
  traceParent?: ((mac: Mac, client: Client['stage']) => TraceParent | undefined) | undefined
}

/**
 * Every known machine that asks over its network gets something to boot, whether it may be installed or not: the script
 * decides. Firmware that gets no boot file retries for a minute per boot entry before it tries the disk.
 */
export function bootOf(client: Client, machine: Machine, context: BootContext): Boot {
  const { tftpServerName: server, bootFileName: file } = machine
  if (server && file) return { kind: 'custom', file, server }
  if (client.stage === 'os') return { kind: 'none', why: 'not-netboot' }
  if (!context.netboot) return { kind: 'none', why: 'netboot-off' }
  const trace = context.traceParent?.(machine.mac, client.stage)
  const common = { server: context.serverIp, ...(trace && { trace }) }
  if (client.stage === 'ipxe') return { kind: 'script', file: context.scriptUrl(machine), ...common }
  const binary = machine.ipxe.binary || binaryFor(archsOf(client, machine), context.archBinaries)
  if (!binary) return { kind: 'none', why: 'unknown-arch' }
  const suffix = trace ? traceSuffix(trace) : ''
  if (client.stage === 'firmware') return { kind: 'tftp', file: binary + suffix, ...common }
  const url = `http://${context.serverIp}:${context.httpPort}/ipxe/binary/${encodeURI(binary)}${suffix}`
  return { kind: 'http', file: url, ...common }
}

/** The boot ROM of a Raspberry Pi calls itself a PC. */
const archsOf = ({ stage, archs }: Client, { mac }: Machine): readonly number[] =>
  stage === 'firmware' && isRaspberryPi(mac) ? [raspberryPiArch] : archs

/** Header fields of a reply that carry the boot file; a file that does not fit its field goes to option 67 alone. */
export function bootFields(boot: Boot): { siaddr: Ip4; sname: string; file: string } {
  if (boot.kind === 'none') return { siaddr: unsetIp, sname: '', file: '' }
  const siaddr = parseIp4(boot.server)
  return {
    siaddr: siaddr ?? unsetIp,
    sname: !siaddr && fits(boot.server, layout.sname.size) ? boot.server : '',
    file: fits(boot.file, layout.file.size) ? boot.file : '',
  }
}

const fits = (text: string, size: number): boolean => text.length < size && textBytes(text).length < size

/** Adds the options that carry a boot file and that make the client's firmware accept it. */
export function addBootOptions(
  options: Map<number, Uint8Array>,
  query: Query,
  machine: Machine,
  boot: Boot,
): void {
  if (boot.kind === 'none') return
  const { stage } = query.client
  const asked = query.packet.options.get(dhcpOption.parameterList.code)
  // some PXE ROMs read these two as C strings and take the next option's number as part of the name
  const end = stage === 'os' ? '' : '\0'
  if (boot.kind === 'custom' || boot.kind === 'tftp')
    setOption(options, dhcpOption.tftpServerName, boot.server + end)
  const server = asked?.includes(dhcpOption.tftpServers.code) ? parseIp4(boot.server) : undefined
  setOption(options, dhcpOption.tftpServers, server && [server])
  const wantsOption = asked?.includes(dhcpOption.bootFileName.code) || !fits(boot.file, layout.file.size)
  if (boot.kind === 'custom' || wantsOption) setOption(options, dhcpOption.bootFileName, boot.file + end)
  addFirmwareOptions(options, query, machine, boot.trace)
}

function addFirmwareOptions(
  options: Map<number, Uint8Array>,
  { client, packet }: Query,
  machine: Machine,
  trace: TraceParent | undefined,
): void {
  const { stage } = client
  if (stage === 'os') return
  if (stage === 'firmware') setOption(options, dhcpOption.vendorClass, 'PXEClient')
  if (stage === 'http') setOption(options, dhcpOption.vendorClass, 'HTTPClient')
  const specific = vendorOptions(stage, machine, packet.options)
  if (trace) specific.set(69, traceOctets(trace))
  if (specific.size > 0) setOption(options, dhcpOption.vendorSpecific, specific)
  // iPXE takes an offer of class PXEClient for a proxy's and asks again on port 4011: none for it
  if (stage === 'ipxe') setOption(options, dhcpOption.ipxe, new Map([[176, Uint8Array.of(1)]]))
  setOption(options, dhcpOption.clientMachineId, getOption(packet.options, dhcpOption.clientMachineId))
}

/**
 * Option 43 (PXE 2.1 table 2-1): 6 = 8 takes the boot file named here, without a search for boot servers; 71 is the
 * boot item that a client asks for on port 4011. 9 and 10 are the menu that the ROM of a Raspberry Pi looks for. 116 is
 * the VLAN to boot in, as text, which iPXE scripts read as `${43.116:string}`. 69 is the trace of this boot, where there
 * is one.
 */
function vendorOptions(
  stage: Client['stage'],
  { mac, vlanId }: Machine,
  asked: Query['packet']['options'],
): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>()
  if (stage === 'firmware') {
    found.set(6, Uint8Array.of(8))
    if (isRaspberryPi(mac)) {
      const menu = textBytes('Raspberry Pi Boot')
      found.set(9, Uint8Array.of(0, 0, menu.length, ...menu)).set(10, Uint8Array.of(0, ...textBytes('PXE')))
    }
    const item = getOption(asked, dhcpOption.vendorSpecific)?.get(71)
    if (item?.length === 4) found.set(71, item)
  }
  if (vlanId && stage !== 'http') found.set(116, textBytes(vlanId))
  return found
}

/** The file for logs and timelines: a script URL without its nonce, which is a secret of this boot; a name without its trace. */
export function publicFile(file: string): string {
  return withoutTrace(file).replace(/(\/ipxe\/script\/[^/]+\/)[^/]+(\/[^/]+)$/, '$1…$2')
}
