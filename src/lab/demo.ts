import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, isCode, messageOf } from '../model/error.ts'
import { createWorkflows, importMachines, progressOf, workflowOf } from './install.ts'
import type { LabMachine } from './machine.ts'
import type { Firmware } from './qemu.ts'
import { readParts, startLab } from './scenario.ts'
import type { Lab } from './scenario.ts'
import { formatLine } from './serial.ts'
import { createStory, spanLines, spans } from './story.ts'
import type { Story } from './story.ts'

/** The whole demo may take this long, and each stage on its own; emulated machines are slow. */
const wholeMs = 15 * 60_000
const stageMs = 5 * 60_000
const pollMs = 500

type DemoOptions = { firmware: Firmware; keep: boolean; memoryMib: number; console: boolean }

const usage = `npm run demo -- [--firmware bios|uefi] [--memory MIB] [--console] [--keep]
  --firmware  the machine's firmware (bios)
  --memory    its memory in MiB (1024)
  --console   show every line of its serial console
  --keep      keep data, disk and logs of the run`

function parseOptions(argv: string[]): DemoOptions | string {
  try {
    const { values } = parseArgs({
      args: argv,
      options: {
        firmware: { type: 'string', default: 'bios' },
        memory: { type: 'string', default: '1024' },
        console: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    const { firmware, memory, keep } = values
    if (values.help) return usage
    if (firmware !== 'bios' && firmware !== 'uefi')
      return `--firmware is "${firmware}": bios or uefi\n${usage}`
    if (!/^\d{3,5}$/.test(memory)) return `--memory is "${memory}": MiB, such as 1024\n${usage}`
    return { firmware, keep, memoryMib: Number(memory), console: values.console }
  } catch (error) {
    return `${messageOf(error)}\n${usage}`
  }
}

const target = { name: 'demo-1', mac: '52:54:00:77:01:01', last: 10 }

/** Installs one blank machine and waits for its phone-home. @throws AppError with what went wrong */
async function run(options: DemoOptions, signal: AbortSignal): Promise<void> {
  const startedAt = Date.now()
  const teller = {
    write: (text: string) => void process.stdout.write(text),
    isTerminal: process.stdout.isTTY,
  }
  let story = createStory({ teller, now: Date.now, startedAt })
  await using lab = await startLab({ parts: readParts(), keep: options.keep })
  if (options.keep) story.say(`data, disk and logs: ${lab.dir}`)
  story.say(`server ready at ${lab.network.address}, in network namespace ${lab.network.name}`)
  story.say(`inventory: ${await importMachines(lab, [target])}`)
  await createWorkflows(lab, [target])
  story.say('Template and Workflow created')
  await using machine = await lab.machine({
    ...target,
    firmware: options.firmware,
    memoryMib: options.memoryMib,
    onLine: (line) => (options.console ? story.say(`  console: ${line.text}`) : story.console(line)),
  })
  const how = lab.accelerator.kind === 'kvm' ? 'with KVM' : `emulated (${lab.accelerator.why})`
  story.say(`power on: ${options.firmware.toUpperCase()}, ${options.memoryMib} MiB, blank disk, ${how}`)
  const poweredAt = Date.now()
  story = createStory({ teller, now: Date.now, startedAt: poweredAt })
  await machine.powerOn()
  try {
    await follow(lab, machine, story, signal)
  } catch (error) {
    if (!signal.aborted) await explain(lab, machine, teller.write)
    throw error
  }
  teller.write(`\n${spanLines(spans(await lab.timeline(machine.mac), poweredAt)).join('\n')}\n\n`)
  teller.write(`${target.name} runs from its own disk.\n`)
}

/** Tells what happens until the installed system has phoned home. */
async function follow(lab: Lab, machine: LabMachine, story: Story, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + wholeMs
  let count = 0
  let newsAt = Date.now()
  for (;;) {
    signal.throwIfAborted()
    const entries = await lab.timeline(machine.mac)
    story.entries(entries)
    if (entries.length !== count) newsAt = Date.now()
    count = entries.length
    const home = entries.find((entry) => entry.stage === 'phone-home')
    if (home) {
      if (home.facts['hostname'] === target.name) return
      throw new AppError('Internal', `it phoned home as "${home.facts['hostname']}", not as ${target.name}`)
    }
    const progressed = await tellProgress(lab, story)
    if (progressed) newsAt = Date.now()
    if (!lab.server.running()) throw new AppError('Unavailable', 'the server has ended')
    if (!machine.running()) throw new AppError('Unavailable', 'the machine has gone off')
    if (Date.now() > deadline) throw new AppError('Timeout', `not done after ${wholeMs / 60_000} minutes`)
    if (Date.now() > newsAt + stageMs)
      throw new AppError('Timeout', `nothing new for ${stageMs / 60_000} minutes`)
    await sleep(pollMs, undefined, { signal })
  }
}

/** @returns whether an action is moving bytes @throws AppError Internal when the Workflow has failed */
async function tellProgress(lab: Lab, story: Story): Promise<boolean> {
  try {
    const workflow = await workflowOf(lab, target.name)
    const { state = '' } = workflow.status ?? {}
    if (state === 'FAILED' || state === 'TIMEOUT')
      throw new AppError('Internal', `the workflow ended: ${state}`)
    const running = await progressOf(lab, target.name)
    for (const progress of running) story.progress(progress)
    return running.length > 0
  } catch (error) {
    if (isCode(error, 'Unavailable')) return false
    throw error
  }
}

/** What a person needs to see why it went wrong. */
async function explain(lab: Lab, machine: LabMachine, write: (text: string) => void): Promise<void> {
  const entries = await lab.timeline(machine.mac).catch(() => [])
  write('\nTimeline:\n')
  for (const { at, stage, count, facts } of entries)
    write(`  ${new Date(at).toISOString()} ${stage} x${count} ${JSON.stringify(facts)}\n`)
  write('\nLast lines of the console:\n')
  for (const line of machine.lines.slice(-40)) write(`  ${formatLine(line)}\n`)
  write('\nLast lines of the server:\n')
  for (const line of lab.server.lastLines(20)) write(`  ${line}\n`)
}

const options = parseOptions(process.argv.slice(2))
if (typeof options === 'string') {
  console.error(options)
  process.exitCode = 2
} else {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => stop.abort())
  try {
    await run(options, stop.signal)
  } catch (error) {
    console.error(stop.signal.aborted ? '\ninterrupted' : `\nThe demo failed: ${messageOf(error)}`)
    process.exitCode = stop.signal.aborted ? 130 : 1
  }
}
