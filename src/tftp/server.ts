import type dgram from 'node:dgram'
import type { Clock } from '../model/clock.ts'
import { AppError } from '../model/error.ts'
import type { Ip4 } from '../model/ip4.ts'
import type { Machine } from '../model/machine.ts'
import type { Logger } from '../log.ts'
import type { RecordStage } from '../timeline/stage.ts'
import type { TftpFile } from './blocks.ts'
import { udpSocket } from './line.ts'
import type { Peer } from './line.ts'
import { createReads } from './reads.ts'
import type { Limits } from './transfer.ts'

export type TftpDeps = {
  /** The file that a client asks for by `name`, which is as it came from the network; `undefined` = there is none. */
  open(name: string, from: Peer): Promise<TftpFile | undefined>
  machineByIp(ip: Ip4): Machine | undefined
  record: RecordStage
  log: Logger
  clock: Clock
  /** bound and answered from */
  address: Ip4
  /** UDP port, 69; 0 takes any free one */
  port: number
  /** answer from `port` itself instead of from a port for each transfer */
  singlePort?: boolean | undefined
  /** a block of 1468 octets and a window of 64 blocks when left out */
  limits?: Limits | undefined
  /** reads at once, in all (1024) and of one client (16); requests beyond are refused */
  most?: Most | undefined
  /** is told of every transfer, for figures */
  observe?: TftpObserver | undefined
  /** called once the socket is bound */
  onListening?(port: number): void
}

export type Most = { transfers: number; ofClient: number }

/** How a request ended: as a transfer does, or because there was none. */
export type TftpOutcome =
  | 'sent'
  | 'probed'
  | 'stopped'
  | 'timeout'
  | 'client-gone'
  | 'client-error'
  | 'read-error'
  | 'socket-error'
  | 'no-such-file'
  | 'refused'
  | 'too-many-transfers'

export type TftpObserver = {
  /** a transfer begins */
  began(): void
  /** a transfer that began is over; `bytes` are those that the client acknowledged */
  ended(outcome: TftpOutcome, bytes: number, ms: number): void
  /** a request that no transfer came of */
  refused(outcome: TftpOutcome): void
}

/**
 * Serves files for reading until `signal` aborts. No packet ends it, and no error of its socket once that listens.
 * @throws AppError Unavailable when it cannot listen
 */
export function tftpServer(deps: TftpDeps): (signal: AbortSignal) => Promise<void> {
  return (signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return resolve()
      const socket: dgram.Socket = udpSocket()
      const reads = createReads(deps, socket)
      let isOver = false
      let listens = false
      const end = (error?: Error) => {
        if (isOver) return
        isOver = true
        signal.removeEventListener('abort', stop)
        reads.stop()
        void reads.settled().then(() => {
          socket.close()
          if (error) reject(error)
          else resolve()
        })
      }
      const stop = () => end()
      signal.addEventListener('abort', stop)
      socket.on('error', (cause) => {
        const place = `${deps.address}:${deps.port}`
        if (listens) return reads.trouble({ error: cause.message }, 'the tftp socket reports an error')
        end(new AppError('Unavailable', `TFTP socket ${place} failed: ${cause.message}`, { cause }))
      })
      socket.on('message', (bytes, from) => {
        if (!isOver) reads.received(bytes, from)
      })
      socket.bind({ address: deps.address, port: deps.port, exclusive: true }, () => {
        listens = true
        deps.log.info({ address: deps.address, port: socket.address().port }, 'tftp listens')
        deps.onListening?.(socket.address().port)
      })
    })
}
