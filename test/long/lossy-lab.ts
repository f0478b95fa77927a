import type { Test } from 'tap'
import type { Lab, LabParts } from '../../src/lab/scenario.ts'
import { inLab } from '../e2e/steps.ts'
import type { Quality } from '../interop/poor-line.ts'
import { layFarSide } from './lossy-link.ts'
import type { Congestion, FarSide } from './lossy-link.ts'

type Choice = { quality: Quality; congestion?: Congestion; parts?: LabParts; flags?: readonly string[] }

/** Runs `work` with a server at one end of a cable; what it needs is at the other. Tells what the cable did. */
export async function inFarLab(
  t: Test,
  { quality, congestion = 'reno', ...choice }: Choice,
  work: (lab: Lab, far: FarSide) => Promise<void>,
): Promise<void> {
  let far: FarSide | undefined
  const between = async (network: Lab['network']) => {
    far = await layFarSide(network, quality, congestion)
    return far.network
  }
  await inLab(t, { ...choice, between }, async (lab) => {
    try {
      await work(lab, far!)
    } finally {
      t.comment(`cable: ${JSON.stringify(await far!.cable.tallies())}`)
    }
  })
}

/** @returns how long `work` took, in seconds with one digit */
export async function secondsOf(work: () => Promise<unknown>): Promise<string> {
  const start = performance.now()
  await work()
  return ((performance.now() - start) / 1000).toFixed(1)
}
