import type { AddressInfo } from 'node:net'
import { bootHttp } from '../../src/boot/http.ts'
import { bootFiles } from '../../src/boot/open.ts'
import { systemClock } from '../../src/model/clock.ts'
import type { Ip4 } from '../../src/model/ip4.ts'
import type { Machine } from '../../src/model/machine.ts'
import { tftpServer } from '../../src/tftp/server.ts'
import type { RecordStage } from '../../src/timeline/stage.ts'
import { silent, site, texts } from '../boot/things.ts'

export type BootDirs = { ipxeDir: string; osDir: string; imageDir: string }

export type BootSetup = {
  dirs: BootDirs
  address: Ip4
  /** 0 takes any free one */
  tftpPort: number
  /** whether TFTP answers from its own port */
  singlePort?: boolean
  httpPort: number
  machineByIp(ip: Ip4): Machine | undefined
  record: RecordStage
}

/** Both servers of boot files. Disposing ends them. */
export type BootServers = AsyncDisposable & { tftpPort: number; httpPort: number }

/** Starts TFTP and HTTP over the same files, put together as `src/serve.ts` does it. */
export async function startBoot(setup: BootSetup): Promise<BootServers> {
  const { address, machineByIp, record } = setup
  const files = bootFiles({ ...setup.dirs, texts, log: silent })
  const stop = new AbortController()
  let ended: Promise<void> | undefined
  const tftpPort = await new Promise<number>((resolve, reject) => {
    ended = tftpServer({
      open: files.openBootFile,
      machineByIp,
      record,
      log: silent,
      clock: systemClock,
      address,
      port: setup.tftpPort,
      singlePort: setup.singlePort,
      onListening: resolve,
    })(stop.signal)
    ended.catch(reject)
  })
  const http = bootHttp({
    log: silent,
    files,
    texts,
    site,
    caPem: '',
    identity: { token: () => undefined },
    ready: () => true,
    machineByMac: () => undefined,
    machineByIp,
    hardware: () => undefined,
    workflowsForHardware: () => [],
    record,
  })
  await http.listen({ host: address, port: setup.httpPort })
  return {
    tftpPort,
    httpPort: (http.server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await Promise.all([ended, http.close()])
    },
  }
}
