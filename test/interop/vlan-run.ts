import { createInterface } from 'node:readline'
import { openTap } from './poor-tap.ts'
import type { TagEnds } from './vlan.ts'

/**
 * Tags frames (IEEE 802.1Q) between pairs of interfaces, as the ports of a switch and the VLANs of an operating system do.
 * Argument: a list of TagEnds as JSON, whose interfaces it makes. Prints "ready"; carries frames from the first line of
 * its input on. Ends with SIGKILL.
 */
const pairs = JSON.parse(process.argv[2]!) as TagEnds[]
/** octets of both MAC addresses, after which the tag is; of the tag */
const sizes = { macs: 12, tag: 4 } as const
const tagType = 0x8100
const idBits = 0xfff

const tagOf = (vlan: number) => Buffer.from([tagType >> 8, tagType & 0xff, vlan >> 8, vlan & 0xff])

function tagged(frame: Buffer, tag: Buffer): Buffer {
  return Buffer.concat([frame.subarray(0, sizes.macs), tag, frame.subarray(sizes.macs)])
}

/** @returns `undefined` for a frame that is not of this VLAN */
function untagged(frame: Buffer, vlan: number): Buffer | undefined {
  if (frame.length < sizes.macs + sizes.tag || frame.readUInt16BE(sizes.macs) !== tagType) return undefined
  if ((frame.readUInt16BE(sizes.macs + 2) & idBits) !== vlan) return undefined
  return Buffer.concat([frame.subarray(0, sizes.macs), frame.subarray(sizes.macs + sizes.tag)])
}

const open = pairs.map(({ plain, tagged: trunk, vlan }) => ({
  vlan,
  plain: openTap(plain),
  trunk: openTap(trunk),
}))
createInterface(process.stdin).once('line', () => {
  for (const { vlan, plain, trunk } of open) {
    const tag = tagOf(vlan)
    plain.listen((frame) => trunk.send(tagged(frame, tag)))
    trunk.listen((frame) => {
      const rest = untagged(frame, vlan)
      if (rest) plain.send(rest)
    })
  }
  console.log('carries')
})
console.log('ready')
