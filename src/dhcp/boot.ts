import { parseIp4 } from '../model/ip4.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import { binaryFor } from './arch.ts'
import { textBytes } from './options/codec.ts'
import { dhcpOption, getOption, setOption } from './options/table.ts'
import { layout, unsetIp } from './packet.ts'
import type { Client, Query } from './query.ts'

/**
 * What a client is told to boot. `custom` is what the Hardware itself names; `script` a URL for iPXE; `tftp` and `http`
 * are iPXE for a firmware.
 */
export type Boot =
  | { kind: 'custom' | 'script' | 'tftp' | 'http'; file: string; server: string }
  | { kind: 'none'; why: 'not-netboot' | 'netboot-off' | 'unknown-arch' }

export type BootContext = {
  serverIp: Ip4
  httpPort: number
  /** whether clients get boot files at all */
  netboot: boolean
  /** the URL of this machine's iPXE script, with its nonce */
  scriptUrl(machine: Machine): string
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
  if (client.stage === 'ipxe')
    return { kind: 'script', file: context.scriptUrl(machine), server: context.serverIp }
  const binary = machine.ipxe.binary || binaryFor(client.archs)
  if (!binary) return { kind: 'none', why: 'unknown-arch' }
  if (client.stage === 'firmware') return { kind: 'tftp', file: binary, server: context.serverIp }
  const url = `http://${context.serverIp}:${context.httpPort}/ipxe/binary/${encodeURI(binary)}`
  return { kind: 'http', file: url, server: context.serverIp }
}

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
export function addBootOptions(options: Map<number, Uint8Array>, query: Query, boot: Boot): void {
  if (boot.kind === 'none') return
  const { stage } = query.client
  const asked = query.packet.options.get(dhcpOption.parameterList.code)
  // some PXE ROMs read these two as C strings and take the next option's number as part of the name
  const end = stage === 'os' ? '' : '\0'
  if (boot.kind === 'custom' || boot.kind === 'tftp')
    setOption(options, dhcpOption.tftpServerName, boot.server + end)
  const wantsOption = asked?.includes(dhcpOption.bootFileName.code) || !fits(boot.file, layout.file.size)
  if (boot.kind === 'custom' || wantsOption) setOption(options, dhcpOption.bootFileName, boot.file + end)
  addFirmwareOptions(options, query)
}

function addFirmwareOptions(options: Map<number, Uint8Array>, { client, packet }: Query): void {
  if (client.stage === 'os') return
  if (client.stage === 'firmware') {
    setOption(options, dhcpOption.vendorClass, 'PXEClient')
    setOption(options, dhcpOption.vendorSpecific, new Map([[6, Uint8Array.of(8)]]))
  }
  if (client.stage === 'http') setOption(options, dhcpOption.vendorClass, 'HTTPClient')
  // iPXE takes an offer of class PXEClient for a proxy's and asks again on port 4011: none for it
  if (client.stage === 'ipxe') setOption(options, dhcpOption.ipxe, new Map([[176, Uint8Array.of(1)]]))
  setOption(options, dhcpOption.clientMachineId, getOption(packet.options, dhcpOption.clientMachineId))
}

/** The file for logs and timelines: a script URL without its nonce, which is a secret of this boot. */
export function publicFile(file: string): string {
  return file.replace(/(\/ipxe\/script\/[^/]+\/)[^/]+(\/[^/]+)$/, '$1…$2')
}
