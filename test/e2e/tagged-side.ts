import type { LabNetwork } from '../../src/lab/netns.ts'
import { networkOf } from '../interop/lab-space.ts'
import { createSite, spaceOf } from '../interop/spaces.ts'
import { addVlans } from '../interop/vlan.ts'

/**
 * A link on which a lab's network is tagged VLAN `vlan`, and where there is nothing outside of it: what is untagged, or in
 * another VLAN, is heard by nobody.
 */
export async function taggedSide(lab: LabNetwork, vlan: number): Promise<LabNetwork> {
  const site = await createSite(async () => {})
  const link = await site.bridge(await site.space(), 'br0')
  const space = spaceOf(lab.name)
  const vlans = await addVlans(link, [{ space, device: 'trunk', vlan }])
  await space.ip('link', 'set', 'trunk', 'master', lab.bridge)
  return {
    ...networkOf(link, lab.address),
    async [Symbol.asyncDispose]() {
      await vlans[Symbol.asyncDispose]()
      await site[Symbol.asyncDispose]()
    },
  }
}
