import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { progressOf, workflowOf } from '../../src/lab/install.ts'
import type { Target } from '../../src/lab/install.ts'
import type { LabMachine } from '../../src/lab/machine.ts'
import type { Firmware } from '../../src/lab/qemu.ts'
import { readParts, startLab } from '../../src/lab/scenario.ts'
import type { Lab, LabOptions, LabParts } from '../../src/lab/scenario.ts'
import { formatLine } from '../../src/lab/serial.ts'
import { messageOf } from '../../src/model/error.ts'
import type { ActionStatus } from '../../src/model/workflow.ts'

/** The longest that one stage of a boot may take, emulated and on a busy host. */
export const stageMs = 4 * 60_000
/** A timer this late means that the host stood still: not what is tested. */
const stallMs = 5000

/** Runs a boot in a lab of its own. When the host stood still during a failed try, it gets a second one, and says so. */
export async function tryTwice(t: Test, boot: (lab: Lab) => Promise<void>): Promise<void> {
  const stall = watchForStall()
  try {
    await inLab(t, {}, boot)
  } catch (error) {
    const worst = stall.worstMs()
    if (worst < stallMs) throw error
    t.comment(`tried a second time: the host stood still for ${worst} ms, and then: ${messageOf(error)}`)
    await inLab(t, {}, boot)
  } finally {
    stall.stop()
  }
}

/** What a boot that is not the usual one needs. */
type LabChoice = { parts?: LabParts } & Omit<LabOptions, 'parts'>

/** Runs a boot in a lab of its own; a failure is told with all that is known. */
export async function inLab(
  t: Test,
  { parts = readParts(), flags = [], ...choice }: LabChoice,
  boot: (lab: Lab) => Promise<void>,
): Promise<void> {
  await using lab = await startLab({
    ...choice,
    parts,
    flags: ['--boot-kernel-args', 'ironwake.debug', ...flags],
  })
  t.comment(`machines run by ${lab.accelerator.kind}: ${lab.accelerator.why}`)
  try {
    await boot(lab)
  } catch (error) {
    for (const line of lab.server.lastLines(30)) t.comment(`server: ${line}`)
    for (const { mac, lines } of lab.machines()) {
      await tellTimeline(t, lab, mac)
      for (const line of lines.slice(-60)) t.comment(`console ${mac}: ${formatLine(line)}`)
    }
    throw error
  }
}

/** The timeline as comments of the test, in seconds from its first entry. */
export async function tellTimeline(t: Test, lab: Lab, mac: string): Promise<void> {
  const entries = await lab.timeline(mac)
  for (const { at, stage, count, facts } of entries)
    t.comment(
      `timeline ${mac}: ${((at - entries[0]!.at) / 1000).toFixed(1)} s ${stage} x${count} ${JSON.stringify(facts)}`,
    )
}

function watchForStall(): { worstMs(): number; stop(): void } {
  const everyMs = 500
  let worst = 0
  let before = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    worst = Math.max(worst, now - before - everyMs)
    before = now
  }, everyMs)
  return { worstMs: () => Math.round(worst), stop: () => clearInterval(timer) }
}

export const machineOf = (lab: Lab, firmware: Firmware, { name, mac }: Target): Promise<LabMachine> =>
  lab.machine({ name, mac, firmware })

export const actionsOf = async (lab: Lab, name: string): Promise<ActionStatus[]> =>
  ((await workflowOf(lab, name)).status?.tasks ?? []).flatMap((task) => task.actions)

/** Asks until `ready` gives something. @throws Error when it takes longer than `atMostMs` */
export async function until<T>(
  what: string,
  ready: () => Promise<T | undefined>,
  atMostMs = stageMs,
): Promise<T> {
  const deadline = Date.now() + atMostMs
  for (;;) {
    const found = await ready()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`not seen in ${atMostMs} ms: ${what}`)
    await sleep(100)
  }
}

export const untilSuccess = (lab: Lab, name: string, atMostMs = stageMs): Promise<true> =>
  until(
    `the end of workflow ${name}`,
    async () => {
      const { state = '' } = (await workflowOf(lab, name)).status ?? {}
      if (state === 'FAILED' || state === 'TIMEOUT') throw new Error(`workflow ${name} ended: ${state}`)
      return state === 'SUCCESS' || undefined
    },
    atMostMs,
  )

/** Kills the server as soon as `ready` gives the actions' state, and starts it again a second later. */
async function killWhen(
  lab: Lab,
  what: string,
  ready: () => Promise<ActionStatus[] | undefined>,
): Promise<ActionStatus[]> {
  const actions = await until(what, ready)
  await lab.server.kill('SIGKILL')
  await sleep(1000)
  await lab.server.start()
  return actions
}

/** @returns the actions as they were when the server was killed, with the first one in the middle of its image */
export const killInMidImage = (lab: Lab, { name }: Target): Promise<ActionStatus[]> =>
  killWhen(lab, 'an image on its way', async () => {
    const actions = await actionsOf(lab, name)
    if (actions[0]?.state === 'SUCCESS') throw new Error('the image was through before the server was killed')
    const [progress] = await progressOf(lab, name)
    if (!progress || progress.done < progress.total / 20) return undefined
    return actions
  })

/** @returns the actions as they were when the server was killed, with the first one done and others to come */
export const killAfterImage = (lab: Lab, { name }: Target): Promise<ActionStatus[]> =>
  killWhen(lab, 'the end of the first action', async () => {
    const actions = await actionsOf(lab, name)
    return actions[0]?.state === 'SUCCESS' ? actions : undefined
  })

/** Kills the agent from the debug shell of the netboot OS; the first process starts it again. */
export async function killAgent(machine: LabMachine): Promise<void> {
  machine.type('\n\nkill -9 $(pidof node)\n')
  await machine.waitForLine(/the agent ended with code 137/, stageMs)
}
