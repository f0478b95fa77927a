import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { createWorkflows, importMachines } from '../../src/lab/install.ts'
import type { Target } from '../../src/lab/install.ts'
import type { CardOptions } from '../../src/lab/machine.ts'
import type { Firmware } from '../../src/lab/qemu.ts'
import { changeHardware, firstCard } from '../e2e/hardware.ts'
import { inLab, stageMs, tellTimeline } from '../e2e/steps.ts'

/** Machines with one cable, which is in their second card, up to the agent. */
const skip = whyNoLab() ?? false
t.setTimeout(60 * 60_000)

type Boot = { firmware: Firmware; target: Target; cards: CardOptions[] }

const secondOf = (target: Target, first: string, model = 'virtio-net-pci'): Boot['cards'] => [
  { mac: first, model, isUnplugged: true },
  { mac: target.mac, model },
]
const uefi: Target = { name: 'uefi-second', mac: '52:54:00:77:0a:02', last: 101 }
const bios: Target = { name: 'bios-second', mac: '52:54:00:77:0a:04', last: 102 }
const intel: Target = { name: 'bios-e1000', mac: '52:54:00:77:0a:06', last: 103 }

const boots: (Boot & { name: string; uncabled: string })[] = [
  {
    name: 'a UEFI machine boots from its second card',
    firmware: 'uefi',
    target: uefi,
    uncabled: '52:54:00:77:0a:01',
    cards: secondOf(uefi, '52:54:00:77:0a:01'),
  },
  {
    name: 'a BIOS machine boots from its second card',
    firmware: 'bios',
    target: bios,
    uncabled: '52:54:00:77:0a:03',
    cards: secondOf(bios, '52:54:00:77:0a:03'),
  },
  {
    name: 'a BIOS machine with an e1000 boots from its second card',
    firmware: 'bios',
    target: intel,
    uncabled: '52:54:00:77:0a:05',
    cards: secondOf(intel, '52:54:00:77:0a:05', 'e1000'),
  },
]

for (const { name, firmware, target, uncabled, cards } of boots)
  t.test(name, { skip }, async (t) => {
    await inLab(t, {}, async (lab) => {
      await importMachines(lab, [target])
      await changeHardware(lab, target.name, firstCard(uncabled))
      await createWorkflows(lab, [target], 'debian-cloud')
      const machine = await lab.machine({ ...target, firmware, cards })
      await machine.powerOn()
      const hello = await lab.waitForStage(target.mac, 'agent-hello', 3 * stageMs)
      t.match(hello.facts, { firmware })
      const card = await machine.waitForLine(/ironwake: network card /, stageMs)
      t.match(card.text, target.mac, card.text)
      t.same(await lab.timeline(uncabled), [], 'nothing was heard of the other card')
      await tellTimeline(t, lab, target.mac)
    })
  })
