import type { Machine } from '../model/machine.ts'
import { parseMac } from '../model/mac.ts'
import type { Mac } from '../model/mac.ts'

/** What a name may mean besides a file that is there for every machine. `path` is as the client wrote it. */
export type OwnFile = { kind: 'text'; text: string } | { kind: 'asset'; path: string }

/** Whom the names are about: machines of the inventory, and the one that asks. */
export type Asker = { machine: Machine | undefined; machineByMac(mac: Mac): Machine | undefined }

/**
 * What the Hardware says of this file: `pxelinux.cfg/01-<mac>` of the machine with that MAC, if it may netboot, and what a
 * Raspberry Pi looks for in the folder of its serial number (config.txt and cmdline.txt of its own, other files
 * in the folder of its firmware). Without them the folder of firmware is looked into all the same.
 */
export function ownFile(name: string, asker: Asker): OwnFile | undefined {
  const parts = name.replace(/^\/+/, '').split('/')
  return pxelinuxConfig(parts, asker) ?? raspberryFile(parts, asker.machine)
}

function pxelinuxConfig(parts: readonly string[], { machineByMac }: Asker): OwnFile | undefined {
  const [folder, file = ''] = parts.slice(-2)
  const mac =
    folder === 'pxelinux.cfg' && file.startsWith('01-') ? parseMac(file.slice('01-'.length)) : undefined
  const machine = mac && machineByMac(mac)
  const text = machine?.allowPxe ? machine.pxelinuxConfig : undefined
  return text ? { kind: 'text', text } : undefined
}

function raspberryFile(parts: readonly string[], machine: Machine | undefined): OwnFile | undefined {
  const [serial = '', ...rest] = parts
  const pi = machine?.rpi
  if (!machine || !pi || rest.length === 0) return undefined
  if (serial.toLowerCase() !== pi.serialNum.toLowerCase()) return undefined
  const path = rest.join('/')
  if (path === 'config.txt' && pi.configTxt) return { kind: 'text', text: pi.configTxt }
  const words = machine.osie.kernelParams
  if (path === 'cmdline.txt' && words.length > 0) return { kind: 'text', text: words.join(' ') }
  const folders = (pi.firmwarePath ?? '').split('/').filter((part) => part !== '')
  return { kind: 'asset', path: [...folders, path].join('/') }
}

/**
 * The path below the folder of assets that a name stands for: without a MAC before it, whose octets may stand apart by
 * colons, dashes, dots or not at all.
 */
export function assetPath(name: string): string {
  const [first = '', ...rest] = name.replace(/^\/+/, '').split('/')
  const isMac = parseMac(first) !== undefined || /^[0-9a-f]{2}([.]?[0-9a-f]{2}){5}$/i.test(first)
  return (isMac && rest.length > 0 ? rest : [first, ...rest]).join('/')
}
