import { openSync, read, writeSync } from 'node:fs'
import koffi from 'koffi'

/** An end of an Ethernet cable: what the kernel sends into its interface comes out here, and the other way round. */
export type Tap = {
  /** Calls `take` with each frame, in turn, for as long as the process lives. */
  listen(take: (frame: Buffer) => void): void
  send(frame: Uint8Array): void
}

/** Linux: `TUNSETIFF`, `IFF_TAP | IFF_NO_PI` and the size of `struct ifreq` */
const linux = { setInterface: 0x400454ca, tapWithoutHeader: 0x1002, requestSize: 40, nameSize: 16 } as const
/** octets; longer than an Ethernet frame with a VLAN tag */
const frameSize = 2048

/**
 * Makes the interface `name` in the namespace of this process. It ends with the process, which a reader that waits keeps
 * from ending by itself: end it by a signal.
 * @throws Error when it cannot be made
 */
export function openTap(name: string): Tap {
  const fd = openSync('/dev/net/tun', 'r+')
  const request = Buffer.alloc(linux.requestSize)
  request.write(name, 'latin1')
  request.writeUInt16LE(linux.tapWithoutHeader, linux.nameSize)
  const ioctl = koffi.load(null).func('int ioctl(int, unsigned long, void *)')
  if (ioctl(fd, linux.setInterface, request) !== 0) throw new Error(`no tap ${name}: error ${koffi.errno()}`)
  return {
    listen(take) {
      const next = () => {
        const buffer = Buffer.allocUnsafe(frameSize)
        read(fd, buffer, 0, frameSize, null, (error, size) => {
          if (error) throw error
          take(buffer.subarray(0, size))
          next()
        })
      }
      next()
    },
    send: (frame) => void writeSync(fd, frame),
  }
}
