import { readFileSync } from 'node:fs'
import type { LabNetwork } from '../../src/lab/netns.ts'
import { networkOf } from '../interop/lab-space.ts'
import { layCable } from '../interop/poor-cable.ts'
import type { Cable } from '../interop/poor-cable.ts'
import type { Quality } from '../interop/poor-line.ts'
import { createSite, spaceOf } from '../interop/spaces.ts'
import type { Bridge, Site } from '../interop/spaces.ts'

/** A place beyond a cable that leads to a lab's network. It ends with its network. */
export type FarSide = {
  site: Site
  /** where machines and clients are plugged in */
  bridge: Bridge
  /** the lab's own */
  near: Bridge
  cable: Cable
  network: LabNetwork
}

/**
 * How TCP of the lab's side takes losses. `reno`: halves its pace at each, as most systems' own choice does when there are
 * many; `bbr`: keeps to the pace at which answers come.
 */
export type Congestion = 'reno' | 'bbr'

/** What this kernel has of the one that losses slow down least. */
export function fastest(): Congestion {
  const known = readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8')
  return known.includes('bbr') ? 'bbr' : 'reno'
}

/** Lays a cable to a bridge in a namespace of its own. */
export async function layFarSide(
  lab: LabNetwork,
  quality: Quality,
  congestion: Congestion,
): Promise<FarSide> {
  const site = await createSite(async () => {})
  try {
    const near = { space: spaceOf(lab.name), name: lab.bridge }
    await near.space.run('sh', '-c', `echo ${congestion} >/proc/sys/net/ipv4/tcp_congestion_control`)
    const bridge = await site.bridge(await site.space(), 'br0')
    const cable = await layCable(near, bridge, quality)
    const end = async () => {
      await cable[Symbol.asyncDispose]()
      await site[Symbol.asyncDispose]()
    }
    const network = { ...networkOf(bridge, lab.address), [Symbol.asyncDispose]: end }
    return { site, bridge, near, cable, network }
  } catch (error) {
    await site[Symbol.asyncDispose]()
    throw error
  }
}
