import { encode } from '../../src/dhcp/encode.ts'
import { unsetIp } from '../../src/dhcp/packet.ts'
import { parseIp4 } from '../../src/model/ip4.ts'
import { macToBytes, parseMac } from '../../src/model/mac.ts'

const text = (value: string) => new TextEncoder().encode(value)

/** What a UEFI machine asks for when it boots from the network. */
const asked: readonly [number, Uint8Array][] = [
  [55, Uint8Array.of(1, 3, 6, 12, 15, 43, 60, 66, 67)],
  [57, Uint8Array.of(5, 192)],
  [60, text('PXEClient:Arch:00007:UNDI:003001')],
  [93, Uint8Array.of(0, 7)],
]

/** Fields of a message that are not the same in each. */
export type DhcpMessage = {
  /** value of option 53 */
  type: number
  mac: string
  /** address of the relay */
  giaddr: string
  /** more options */
  options?: readonly [number, Uint8Array][]
}

/** The octets of what a machine sends, as its relay passes it on; the transaction is 0. */
export function dhcpMessage({ type, mac, giaddr, options = [] }: DhcpMessage): Uint8Array {
  const chaddr = new Uint8Array(16)
  chaddr.set(macToBytes(parseMac(mac)!))
  const unset = { ciaddr: unsetIp, yiaddr: unsetIp, siaddr: unsetIp, sname: '', file: '' }
  const fields = { op: 1, htype: 1, hlen: 6, hops: 1, xid: 0, secs: 0, flags: 0 }
  const all = new Map([[53, Uint8Array.of(type)], ...asked, ...options])
  const packet = { ...fields, ...unset, giaddr: parseIp4(giaddr)!, chaddr, options: all }
  return encode(packet, 1500).bytes
}
