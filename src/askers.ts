import { stranger } from './dhcp/stranger.ts'
import type { Ip4 } from './model/ip4.ts'
import type { Mac } from './model/mac.ts'
import type { Machine } from './model/machine.ts'

export type AskersDeps = {
  lookup: {
    machineByIp(ip: Ip4): Machine | undefined
    machineByMac(mac: Mac): Machine | undefined
  }
  /** who has this address of our pool */
  holderOf?(ip: Ip4): Mac | undefined
  /** who says to have this address from another DHCP server */
  heardOf?(ip: Ip4): Mac | undefined
}

/** Who asks, by the address that they ask from. */
export type Askers = {
  /** of the inventory: by its own address, else by its lease of our pool, else by what it said to another DHCP server */
  machineByIp(ip: Ip4): Machine | undefined
  /** the same, and a machine that no Hardware knows, of which nothing but the MAC is set: for what is recorded */
  whoAt(ip: Ip4): Machine | undefined
  /** whether only the machine's own word for another DHCP server says that it has this address */
  isHearsay(ip: Ip4): boolean
}

export function askersOf({ lookup, holderOf, heardOf }: AskersDeps): Askers {
  const leased = (ip: Ip4) => holderOf?.(ip) ?? heardOf?.(ip)
  const machineByIp = (ip: Ip4) => {
    const own = lookup.machineByIp(ip)
    const mac = own ? undefined : leased(ip)
    return own ?? (mac && lookup.machineByMac(mac))
  }
  return {
    machineByIp,
    whoAt: (ip) => {
      const mac = leased(ip)
      return machineByIp(ip) ?? (mac && stranger(mac))
    },
    isHearsay: (ip) => lookup.machineByIp(ip) === undefined && holderOf?.(ip) === undefined,
  }
}
