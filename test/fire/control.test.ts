import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { namespace, workflowOf } from '../../src/lab/install.ts'
import type { Lab } from '../../src/lab/scenario.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import { openSite, told } from './campaign.ts'
import type { Site } from './campaign.ts'
import { actionsOf, ended, imageUrl, order, sha256Of } from './install.ts'
import type { Action } from './install.ts'
import { run } from './machine.ts'

t.setTimeout(5 * 60_000)

const stream = ({ lab, machine, images }: Site): Action => ({
  name: 'stream',
  image: 'image2disk',
  environment: { DEST_DISK: machine.disk, IMG_URL: imageUrl(lab, images.raw), SHA256: images.raw.sha256 },
})

const config = ({ machine }: Site): Action => ({
  name: 'config',
  image: 'writefile',
  environment: { DEST_DISK: machine.disk, FS_TYPE: 'ext4', DEST_PATH: '/etc/config', CONTENTS: 'x' },
})

/** An archive that is not there yet. */
const late = ({ lab, machine }: Site, sum: string): Action => ({
  name: 'late',
  image: 'archive2disk',
  environment: {
    DEST_DISK: machine.disk,
    FS_TYPE: 'ext4',
    DEST_PATH: '/',
    ARCHIVE_URL: `http://${lab.network.address}:7171/images/late.tar`,
    TARFILE_CHECKSUM: `sha256:${sum}`,
  },
})

/** At once: the program of the command line takes a while to start. */
const control = (lab: Lab, verb: string, name: string, reason = ''): Promise<unknown> =>
  lab.api.request('POST', `/apis/tinkerbell.org/v1alpha1/namespaces/${namespace}/workflows/${name}/${verb}`, {
    reason,
  })

const conditionOf = ({ status }: Workflow, type: string) =>
  status?.conditions?.find((condition) => condition.type === type)

/** How much of the image has come, as the server knows. */
async function doneBytes(lab: Lab, name: string): Promise<number> {
  const path = `/ironwake/v1/workflows/${namespace}/${name}/progress`
  const { actions } = (await lab.api.request('GET', path)) as {
    actions: { name: string; doneBytes?: number }[]
  }
  return actions.find((action) => action.name === 'stream')?.doneBytes ?? 0
}

/** Waits until so much of the image has come, and some is still to come. */
async function halfway(lab: Lab, name: string, bytes: number): Promise<void> {
  const deadline = Date.now() + 60_000
  while ((await doneBytes(lab, name)) < bytes) {
    if (Date.now() > deadline) throw new Error(`${name}: no ${bytes} bytes within a minute`)
    await sleep(50)
  }
}

/** What was on its way has come, and no more comes. */
async function standsStill(t: Test, lab: Lab, name: string): Promise<void> {
  await sleep(600)
  const before = await doneBytes(lab, name)
  await sleep(1000)
  t.equal(await doneBytes(lab, name), before, 'not a byte more has come')
}

async function beginningOf(disk: string): Promise<Buffer> {
  await run('blockdev', '--flushbufs', disk)
  await using file = await open(disk)
  const bytes = Buffer.alloc(1 << 20)
  await file.read(bytes, 0, bytes.length, 0)
  return bytes
}

const isEmpty = (bytes: Buffer) => bytes.every((byte) => byte === 0)

async function onDisk<T>({ lab, machine }: Site, look: (folder: string) => Promise<T>): Promise<T> {
  await run('fsck.ext4', '-f', '-n', machine.disk)
  const folder = await run('mktemp', '-d', '-p', lab.dir)
  await run('mount', '-o', 'ro', machine.disk, folder)
  try {
    return await look(folder)
  } finally {
    await run('umount', folder)
  }
}

t.test('Workflows are steered while an image is written', { skip: whyNoLab() ?? false }, async (t) => {
  await using site = await openSite(t)
  const { lab, machine } = site
  const shape = ['root', 'tbf', 'rate', '40mbit', 'burst', '256kb', 'latency', '100ms']
  await run('tc', '-n', lab.network.name, 'qdisc', 'replace', 'dev', 'port-m1', ...shape)
  await told(t, site, async () => {
    await t.test('pause: nothing moves, though agent, server and connection die', async (t) => {
      await order(lab, 'one', 'm1', machine.mac, [stream(site), config(site)])
      await machine.powerOn()
      await machine.waitForLine(/\[stream\] destination/)
      await halfway(lab, 'one', 4 << 20)
      t.match(await control(lab, 'pause', 'one', 'a cable'), { status: { state: 'RUNNING' } })
      await machine.waitForLine(/\[stream\] paused: paused by admin: a cable/)
      await standsStill(t, lab, 'one')
      const since = machine.lines.length
      await lab.server.kill('SIGKILL')
      await lab.server.start()
      t.match(conditionOf(await workflowOf(lab, 'one'), 'Paused'), { status: 'True', reason: 'Requested' })
      await machine.waitForLine(/session with .* open/, since)
      await standsStill(t, lab, 'one')
      t.ok(isEmpty(await beginningOf(machine.disk)))
      await control(lab, 'resume', 'one')
      await machine.waitForLine(/\[stream\] going on/, since)
      t.match(
        await machine.waitForLine(/\[stream\] connection broke at byte \d+/, since),
        /at byte [1-9]/,
        'what was there is not fetched again',
      )

      await halfway(lab, 'one', 12 << 20)
      await control(lab, 'pause', 'one')
      await machine.waitForLine(/\[stream\] paused/, since)
      const killed = machine.lines.length
      await machine.killAgent()
      await machine.waitForLine(/session with .* open/, killed)
      await sleep(600)
      t.notOk(
        machine.lines.slice(killed).some((line) => line.includes('[stream]')),
        'an agent that was killed does not begin anew',
      )
      await control(lab, 'resume', 'one')
      await machine.waitForLine(/\[stream\] the agent was started again/, killed)
      const { status } = await ended(lab, 'one')
      t.equal(status?.state, 'SUCCESS')
      t.match(
        status?.conditions?.find(({ type }) => type === 'Paused'),
        { status: 'False', reason: 'Resumed' },
      )
      await onDisk(site, async (folder) => {
        t.equal(await readFile(`${folder}/etc/config`, 'utf8'), 'x')
        t.equal(
          await sha256Of(`${folder}/filler`),
          await sha256Of(`${lab.dir}/tree/filler`),
          'the image is whole',
        )
      })
    })

    await t.test('cancel: the disk has no beginning, and the log says so', async (t) => {
      const since = machine.lines.length
      await order(lab, 'two', 'm1', machine.mac, [stream(site), config(site)])
      await machine.waitForLine(/\[stream\] destination/, since)
      await halfway(lab, 'two', 4 << 20)
      await control(lab, 'cancel', 'two', 'wrong disk')
      await control(lab, 'cancel', 'two')
      const workflow = await ended(lab, 'two')
      t.match(conditionOf(workflow, 'Succeeded'), {
        status: 'False',
        reason: 'Cancelled',
        message: 'action "stream" of task "install": cancelled by admin: wrong disk',
      })
      t.same(
        actionsOf(workflow).map(({ state }) => state),
        ['FAILED', 'PENDING'],
      )
      await machine.waitForLine(/\[stream\] failed: cancelled/, since)
      t.ok(isEmpty(await beginningOf(machine.disk)), 'the disk has no partition table and no file system')
      const logs = () => lab.cli('workflow', 'logs', `${namespace}/two`)
      while (!/failed: cancelled/.test(await logs())) await sleep(50)
      t.match(await logs(), /stopped halfway: \/dev\/\S+ was left without a partition table/)
      await t.rejects(control(lab, 'pause', 'two'), /it is FAILED/)
    })

    await t.test('retry: what had succeeded is not repeated', async (t) => {
      const since = machine.lines.length
      const folder = join(lab.dir, 'late')
      await run('mkdir', '-p', `${folder}/etc`)
      await writeFile(`${folder}/etc/late`, 'better')
      await run('tar', '-cf', join(lab.dir, 'late.tar'), '-C', folder, 'etc/late')
      const sum = await sha256Of(join(lab.dir, 'late.tar'))
      await order(lab, 'three', 'm1', machine.mac, [stream(site), late(site, sum), config(site)])
      const first = await ended(lab, 'three')
      t.equal(first.status?.state, 'FAILED')
      await run('cp', join(lab.dir, 'late.tar'), join(lab.imageDir, 'late.tar'))
      const made = await lab.cli('workflow', 'retry', `${namespace}/three`, '--reason', 'it is there now')
      t.match(made, /three-retry-1/)
      const workflow = await ended(lab, 'three-retry-1')
      t.equal(workflow.status?.state, 'SUCCESS')
      t.match(actionsOf(workflow)[0], { state: 'SUCCESS', message: `carried over from ${namespace}/three` })
      const streams = machine.lines.slice(since).filter((line) => line.includes('[stream] destination'))
      t.equal(streams.length, 1, 'the image was written once')
      t.equal((await workflowOf(lab, 'three')).status?.state, 'FAILED', 'what has ended has ended')
      await onDisk(site, async (root) => {
        t.equal(await readFile(`${root}/etc/late`, 'utf8'), 'better')
        t.equal(await readFile(`${root}/etc/config`, 'utf8'), 'x')
      })
    })
  })
})
