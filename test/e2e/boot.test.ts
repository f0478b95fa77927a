import t from 'tap'
import type { Test } from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { createWorkflows, importMachines, namespace } from '../../src/lab/install.ts'
import type { Example, Target } from '../../src/lab/install.ts'
import type { LabMachine } from '../../src/lab/machine.ts'
import type { Firmware } from '../../src/lab/qemu.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import type { ActionStatus } from '../../src/model/workflow.ts'
import {
  actionsOf,
  killAgent,
  killAfterImage,
  killInMidImage,
  machineOf,
  stageMs,
  tryTwice,
  untilSuccess,
} from './steps.ts'

// One file, so that its machines run one after the other: two at once on two processors take thrice as long.
const skip = whyNoLab() ?? false
t.setTimeout(15 * 60_000)

t.test(
  'a blank BIOS machine is installed although server and agent are killed, and goes on by kexec',
  { skip },
  async (t) => {
    const target = { name: 'bios-1', mac: '52:54:00:77:02:01', last: 11 }
    await tryTwice(t, async (lab) => {
      const machine = await beginInstall(lab, 'bios', target, 'debian-cloud')
      const first = await killInMidImage(lab, target)
      await killAgent(machine)
      const second = await killAfterImage(lab, target)
      await phonesHome(t, lab, target)
      await ranOnce(t, { lab, machine, target, first, second })
      t.equal(
        powerOns(machine),
        1,
        'the installed system was started without another turn through the firmware',
      )
      await bootsItsDisk(t, lab, machine)
    })
  },
)

t.test('a blank UEFI machine is installed by the PXE client of its firmware', { skip }, async (t) => {
  const target = { name: 'uefi-1', mac: '52:54:00:77:02:02', last: 12 }
  await tryTwice(t, async (lab) => {
    const machine = await beginInstall(lab, 'uefi', target, 'ubuntu')
    await phonesHome(t, lab, target)
    t.match(
      await lab.cli('workflow', 'list', '-n', namespace),
      /uefi-1 +SUCCESS/,
      'the command line shows it done',
    )
    await bootsItsDisk(t, lab, machine)
  })
})

async function beginInstall(
  lab: Lab,
  firmware: Firmware,
  target: Target,
  example: Example,
): Promise<LabMachine> {
  await importMachines(lab, [target])
  await createWorkflows(lab, [target], example)
  const machine = await machineOf(lab, firmware, target)
  await machine.powerOn()
  return machine
}

async function phonesHome(t: Test, lab: Lab, target: Target): Promise<void> {
  await untilSuccess(lab, target.name)
  const home = await lab.waitForStage(target.mac, 'phone-home', stageMs)
  t.equal(home.facts['hostname'], target.name, 'the installed system has the name that its metadata gives it')
}

/** How often iPXE, which the firmware starts, has begun since the machine was switched on. */
const powerOns = (machine: LabMachine) =>
  machine.lines.filter(({ text }) => text.includes('iPXE initialising devices')).length

type Killed = { lab: Lab; machine: LabMachine; target: Target; first: ActionStatus[]; second: ActionStatus[] }

/** By three witnesses: the saved state, the timeline, and what the agent said on the console. */
async function ranOnce(t: Test, { lab, machine, target, first, second }: Killed): Promise<void> {
  const actions = await actionsOf(lab, target.name)
  t.same(
    actions.map(({ state }) => state),
    actions.map(() => 'SUCCESS'),
    'every action has succeeded',
  )
  t.same(
    actions.map(({ id }) => id),
    first.map(({ id }) => id),
    'it is still the same run',
  )
  for (const { id, name, executionStart, executionStop } of second.filter(
    ({ state }) => state === 'SUCCESS',
  )) {
    const action = actions.find((candidate) => candidate.id === id)
    t.match(
      action,
      { executionStart, executionStop },
      `"${name}", done at the second kill, did not run again`,
    )
  }
  t.equal(
    actions[0]?.executionStart,
    first[0]?.executionStart,
    'the interrupted image went on, and did not start anew',
  )
  const entries = await lab.timeline(target.mac)
  for (const { name } of actions) {
    const starts = entries.filter(
      ({ stage, facts }) => stage === 'action-started' && facts['action'] === name,
    )
    t.ok(starts.length <= 1, `the timeline has at most one start of "${name}"`)
    const ends = machine.lines.filter(({ text }) => text.includes(`[${name}] success: `))
    t.equal(ends.length, 1, `the agent carried "${name}" out once`)
  }
}

/** Power-cycles an installed machine, whose firmware tries the network first. */
async function bootsItsDisk(t: Test, lab: Lab, machine: LabMachine): Promise<void> {
  const prompt = new RegExp(`${machine.name} login:`)
  await machine.waitForLine(prompt, stageMs)
  t.equal(await machine.shutDown(120_000), 'clean', 'the installed system shuts down at the power button')
  const offAt = Date.now()
  await machine.powerOn()
  await machine.waitForLine(prompt, stageMs)
  const asked = (await lab.timeline(machine.mac))
    .filter(({ lastAt }) => lastAt > offAt)
    .map(({ stage }) => stage)
  t.ok(
    asked.includes('boot-disk'),
    'it asked the network first, was sent to its disk, and came up from there',
  )
  t.notOk(asked.includes('agent-hello'), 'the netboot OS was not started again')
}
