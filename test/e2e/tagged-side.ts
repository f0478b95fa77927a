import type { LabNetwork } from '../../src/lab/netns.ts'
import { createSite, spaceOf } from '../interop/spaces.ts'
import { addVlans } from '../interop/vlan.ts'

/**
 * A link on which a lab's network is tagged VLAN `vlan`, and where there is nothing outside of it: what is untagged, or in
 * another VLAN, is heard by nobody.
 */
export async function taggedSide(lab: LabNetwork, vlan: number): Promise<LabNetwork> {
  const site = await createSite(async () => {})
  const far = await site.space()
  const link = await site.bridge(far, lab.bridge)
  const space = spaceOf(lab.name)
  const vlans = await addVlans(link, [{ space, device: 'trunk', vlan }])
  await space.ip('link', 'set', 'trunk', 'master', lab.bridge)
  let taps = 0
  return {
    ...lab,
    name: far.name,
    async addTap() {
      const tap = `tap${taps++}`
      await far.ip('tuntap', 'add', tap, 'mode', 'tap')
      await far.ip('link', 'set', tap, 'master', link.name, 'up')
      return tap
    },
    inside: (command) => [
      'nsenter',
      [`--net=/run/netns/${far.name}`, 'setpriv', '--pdeathsig', 'KILL', ...command],
    ],
    async [Symbol.asyncDispose]() {
      await vlans[Symbol.asyncDispose]()
      await site[Symbol.asyncDispose]()
    },
  }
}
