import t from 'tap'
import type { Test } from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { createWorkflows, importMachines } from '../../src/lab/install.ts'
import type { Target } from '../../src/lab/install.ts'
import type { CardOptions, LabMachine } from '../../src/lab/machine.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import type { TimelineEntry } from '../../src/timeline/stage.ts'
import { startOtherDhcp } from '../interop/other-dhcp.ts'
import { createSite, missing, spaceOf } from '../interop/spaces.ts'
import { bootFile, changeHardware, firstCard } from './hardware.ts'
import { inLab, stageMs } from './steps.ts'

/** BIOS machines whose network cards are not the usual one, and those that are given undionly.kpxe, up to the kernel. */
const skip = whyNoLab() ?? (await missing('dnsmasq'))
t.setTimeout(10 * 60_000)

const intel: Target = { name: 'e1000-1', mac: '52:54:00:77:06:01', last: 51 }
const second: Target = { name: 'second-1', mac: '52:54:00:77:06:03', last: 52 }
const plain: Target = { name: 'undionly-1', mac: '52:54:00:77:06:04', last: 53 }
const uncabled = '52:54:00:77:06:02'
const model = 'e1000'

t.test('machines with other cards, or an empty first one, load their kernel', { skip }, async (t) => {
  await inLab(t, {}, async (lab) => {
    const targets = [second, intel, plain]
    await importMachines(lab, targets)
    await changeHardware(lab, second.name, firstCard(uncabled))
    await createWorkflows(lab, targets, 'debian-cloud')
    // iPXE waits a quarter of a minute for the cable of the first card: time for the others
    const cards = [
      { mac: uncabled, model, isUnplugged: true },
      { mac: second.mac, model },
    ]
    const [fromSecond] = await Promise.all([
      loadsKernel(t, lab, second, cards),
      loadsKernel(t, lab, intel, [{ mac: intel.mac, model }]).then(() => chainsUndionly(t, lab)),
    ])
    t.same(await lab.timeline(uncabled), [], 'nothing was heard of the card without a cable')
    t.same(offers(fromSecond), [lab.network.host(second.last)], 'one address was offered')
  })
})

t.test('undionly.kpxe and its script are found beside another DHCP server', { skip }, async (t) => {
  await inLab(t, { flags: ['--dhcp-mode', 'proxy'] }, async (lab) => {
    await using site = await createSite(async () => {})
    const { name, bridge, host } = lab.network
    // files are put down to the machine whose address asks for them, so this one's must be that of its Hardware
    await startOtherDhcp(site, { space: spaceOf(name), name: bridge }, [
      { mac: plain.mac, ip: host(plain.last) },
    ])
    await importMachines(lab, [plain])
    await createWorkflows(lab, [plain], 'debian-cloud')
    t.same(offers(await chainsUndionly(t, lab)), [undefined, undefined], 'no address was offered')
  })
})

const offers = (entries: readonly TimelineEntry[]) =>
  entries.filter(({ stage }) => stage === 'dhcp-offer').map(({ facts }) => facts['ip'])

/** @returns what was seen of it until then */
async function loadsKernel(t: Test, lab: Lab, target: Target, cards: readonly CardOptions[]) {
  const machine = await lab.machine({ ...target, cards, firmware: 'bios', memoryMib: 512 })
  await machine.powerOn()
  return endsWithKernel(t, lab, target, machine)
}

/**
 * QEMU's ROM is iPXE and would take the script at once; so it is given the boot program that a plain PXE ROM gets,
 * until it has read it. That program uses the ROM's own network driver.
 */
async function chainsUndionly(t: Test, lab: Lab) {
  await changeHardware(lab, plain.name, bootFile(lab, 'undionly.kpxe'))
  const machine = await lab.machine({ ...plain, firmware: 'bios', memoryMib: 512 })
  await machine.powerOn()
  const read = await lab.waitForStage(plain.mac, 'tftp-read', stageMs)
  t.match(read.facts, { file: 'undionly.kpxe' })
  await changeHardware(lab, plain.name, bootFile(lab, undefined))
  const seen = await endsWithKernel(t, lab, plain, machine)
  const starts = machine.lines.filter(({ text }) => text.includes('iPXE initialising devices'))
  t.equal(starts.length, 2, 'iPXE was started by iPXE')
  return seen
}

async function endsWithKernel(t: Test, lab: Lab, target: Target, machine: LabMachine) {
  await lab.waitForStage(target.mac, 'kernel', stageMs)
  const seen = await lab.timeline(target.mac)
  await machine.powerOff()
  t.match(seen.find(({ stage }) => stage === 'boot-script')?.facts, { target: 'agent' })
  t.comment(
    `${target.name}: the kernel was loaded ${seen.at(-1)!.at - seen[0]!.at} ms after the first packet`,
  )
  return seen
}
