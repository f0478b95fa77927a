import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { readParts, startLab } from '../../src/lab/scenario.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import type { ActionStatus } from '../../src/model/workflow.ts'
import { actionsOf, ended, enrol, makeImages, order, sha256Of, usualActions } from './install.ts'
import type { Format, Image } from './install.ts'
import { createProcessMachine, run } from './machine.ts'
import type { ProcessMachine } from './machine.ts'

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `FIRE_SEED` repeats a campaign. */
export const seedOf = (): number => Number(process.env['FIRE_SEED'] ?? Date.now() % 1_000_000)

/**
 * A moment of an installation: so long after the first console line from here on that matches. `inside`: the action that
 * must still run then.
 */
export type Moment = { where: string; line: RegExp; withinMs: number; inside?: string }

/** In the course of an installation: inside each kind of action, and between each two. */
export const moments: readonly Moment[] = [
  { where: 'inside image2disk', line: /\[stream\] destination/, withinMs: 1200, inside: 'stream' },
  { where: 'inside image2disk again', line: /\[stream\] destination/, withinMs: 600, inside: 'stream' },
  { where: 'between image2disk and writefile', line: /\[stream\] success/, withinMs: 15 },
  { where: 'inside writefile', line: /\[config\] \/etc\/config on/, withinMs: 20, inside: 'config' },
  { where: 'inside cexec', line: /\[command\]/, withinMs: 1200, inside: 'command' },
  { where: 'between cexec and the end', line: /\[command\] success/, withinMs: 15 },
  { where: 'inside the end of the boot', line: /\[end\]|about to end this boot/, withinMs: 30 },
]

export type Site = AsyncDisposable & {
  lab: Lab
  images: Record<Format, Image>
  machine: ProcessMachine
}

/** A lab with images to stream, and one machine whose network brings 60 Mbit/s. */
export async function openSite(t: Test): Promise<Site> {
  const imageDir = t.testdir({})
  const lab = await startLab({ parts: { ...readParts(), imageDir } })
  const images = await makeImages(lab, 16)
  const options = { name: 'm1', mac: '52:54:00:77:03:01', diskMib: 128, rate: '60mbit' }
  const machine = await createProcessMachine(lab, options)
  await enrol(lab, machine, 'm1', 21)
  const close = async () => {
    await machine[Symbol.asyncDispose]()
    await lab[Symbol.asyncDispose]()
  }
  return { lab, images, machine, [Symbol.asyncDispose]: close }
}

/** Says on failure what was to be seen. */
export async function told<T>(t: Test, { lab, machine }: Site, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    for (const line of machine.lines.slice(-60)) t.comment(`console: ${line}`)
    for (const line of lab.server.lastLines(40)) t.comment(`server: ${line}`)
    throw error
  }
}

export type Install = { name: string; format: Format; end: 'reboot' | 'kexec'; seed: number }
type Hurt = (moment: Moment, dice: () => number) => Promise<void>

/**
 * Installs the machine, hurting something at each of the moments; then looks at everything that tells how it went.
 * @returns the actions that were hit while they ran
 */
export async function installUnderFire(
  t: Test,
  site: Site,
  install: Install,
  hurt: Hurt,
  repeats: boolean,
): Promise<ReadonlySet<string>> {
  const { lab, machine, images } = site
  const { name, format, end, seed } = install
  const dice = random(seed)
  const image = images[format]
  const since = machine.lines.length
  await run('dd', 'if=/dev/zero', `of=${machine.disk}`, 'bs=1M', 'count=128', 'conv=fsync')
  const orderedAt = Date.now()
  await order(lab, name, 'm1', machine.mac, usualActions(lab, machine.disk, image, end))
  await machine.powerOn()
  const boot = machine.ended()
  const hit = new Set<string>()
  let from = since
  for (const moment of moments) {
    await machine.waitForLine(moment.line, from)
    if (!repeats) from = machine.lines.findLastIndex((line) => moment.line.test(line))
    const waitMs = dice() * moment.withinMs
    await sleep(waitMs)
    const over = machine.lines.slice(from).some((line) => line.includes(`[${moment.inside}] success`))
    if (moment.inside && !over) hit.add(moment.inside)
    t.comment(
      `seed ${seed}: ${moment.where}, ${waitMs.toFixed(0)} ms in${over ? ', which was too late' : ''}`,
    )
    if (repeats) from = machine.lines.length
    await hurt(moment, dice)
  }
  const workflow = await ended(lab, name)
  t.equal(workflow.status?.state, 'SUCCESS', `${name} has succeeded`)
  t.equal(await boot, end, 'the boot ended as the last action wants it')
  const lines = machine.lines.slice(since)
  for (const action of actionsOf(workflow)) checkAction(t, action, lines, repeats)
  if (!repeats) await startsOnce(t, site, workflow.status?.tasks?.[0]?.actions ?? [], orderedAt)
  await checkInstalled(t, site, repeats)
  await machine.powerOn()
  t.equal(await machine.ended(), 'disk', 'at its next boot the machine is sent to its disk')
  return hit
}

/** An agent that is killed between noting a success and saying it says it never. */
function checkAction(
  t: Test,
  { name, state }: ActionStatus,
  lines: readonly string[],
  repeats: boolean,
): void {
  t.equal(state, 'SUCCESS', `"${name}" has succeeded`)
  const successes = lines.filter((line) => line.includes(`[${name}] success: `))
  if (repeats) t.ok(successes.length <= 1, `the agent brought "${name}" to its end at most once`)
  else t.equal(successes.length, 1, `the agent brought "${name}" to its end once`)
}

/** @param since epoch ms: what a killed server had not written of its last second, the start of the Workflow too, is lost */
async function startsOnce(
  t: Test,
  { lab, machine }: Site,
  actions: readonly ActionStatus[],
  since: number,
): Promise<void> {
  const mine = (await lab.timeline(machine.mac)).filter(({ at }) => at >= since)
  for (const action of actions) {
    const starts = mine.filter(
      ({ stage, facts }) => stage === 'action-started' && facts['action'] === action.name,
    )
    t.ok(starts.length <= 1, `the timeline has at most one start of "${action.name}"`)
  }
}

/**
 * What the installed system finds: the image whole, the file, and the traces of the command.
 * @param repeats whether an action that had not succeeded may have been begun again
 */
export async function checkInstalled(t: Test, { lab, machine }: Site, repeats: boolean): Promise<void> {
  const folder = await run('mktemp', '-d', '-p', lab.dir)
  await run('fsck.ext4', '-f', '-n', machine.disk)
  await run('mount', '-o', 'ro', machine.disk, folder)
  try {
    t.equal(await run('cat', `${folder}/etc/config`), 'x'.repeat(100_000), 'the file is whole')
    const ran = (await run('cat', `${folder}/var/log/ran`)).split('\n')
    const done = ran.filter((line) => line === 'done').length
    t.equal(done, 1, `the command ran to its end once (${ran.join(' ')})`)
    if (!repeats) t.equal(ran.length, 2, 'and was begun once')
    const filler = `${folder}/filler`
    t.equal(await sha256Of(filler), await sha256Of(`${lab.dir}/tree/filler`), 'the image is whole')
    t.same(await run('sh', '-c', `ls -A ${folder}/etc`), 'config', 'nothing unfinished lies about')
  } finally {
    await run('umount', folder)
  }
}

/** Every kind of action was hit while it ran. */
export function hitAll(t: Test, hits: readonly ReadonlySet<string>[]): void {
  const found = new Set(hits.flatMap((hit) => [...hit]))
  for (const name of ['stream', 'config', 'command']) t.ok(found.has(name), `"${name}" was hit while it ran`)
}
