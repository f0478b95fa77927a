import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import type { Mac } from '../model/mac.ts'
import { withoutTrace } from '../model/trace-parent.ts'
import type { TftpFile } from './blocks.ts'
import { assetPath, ownFile } from './names.ts'

export type TftpFilesDeps<File extends TftpFile> = {
  machineByIp(ip: Ip4): Machine | undefined
  machineByMac(mac: Mac): Machine | undefined
  /** the boot file of that name, whoever asks */
  openBootFile(name: string): Promise<File | undefined>
  /** the file of that path below the folder of assets */
  openAsset(path: string): Promise<File | undefined>
  openText(text: string): File
}

/**
 * What a name means to a client of TFTP, or of HTTP below `/tftp/`: a file that its Hardware is about, else a boot file, else one of the folder of assets.
 * @returns a function that opens it; `undefined` = there is none
 */
export function tftpFiles<File extends TftpFile>(
  deps: TftpFilesDeps<File>,
): (name: string, from: { ip: Ip4 | undefined }) => Promise<File | undefined> {
  return async (asked, { ip }) => {
    const name = withoutTrace(asked)
    const machine = ip && deps.machineByIp(ip)
    const own = ownFile(name, { machine, machineByMac: deps.machineByMac })
    if (own?.kind === 'text') return deps.openText(own.text)
    const asset = own && (await deps.openAsset(own.path))
    return asset ?? (await deps.openBootFile(name)) ?? deps.openAsset(assetPath(name))
  }
}
