import type { LabNetwork } from '../../src/lab/netns.ts'
import type { Bridge } from './spaces.ts'

/**
 * A bridge as a network that machines can be put on. It ends with the site that it is of.
 * @param address the server's, the first one of a /24
 */
export function networkOf({ space, name }: Bridge, address: string): LabNetwork {
  let taps = 0
  return {
    name: space.name,
    bridge: name,
    address,
    host: (last) => address.replace(/\d+$/, String(last)),
    async addTap() {
      const tap = `tap${taps++}`
      await space.ip('tuntap', 'add', tap, 'mode', 'tap')
      await space.ip('link', 'set', tap, 'master', name, 'up')
      return tap
    },
    inside: (command) => [
      'nsenter',
      [`--net=/run/netns/${space.name}`, 'setpriv', '--pdeathsig', 'KILL', ...command],
    ],
    [Symbol.asyncDispose]: async () => undefined,
  }
}
