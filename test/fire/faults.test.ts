import { spawn } from 'node:child_process'
import { open, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import { checkInstalled, openSite, told } from './campaign.ts'
import type { Site } from './campaign.ts'
import { actionsOf, ended, imageUrl, order, usualActions } from './install.ts'
import type { Action } from './install.ts'
import { run } from './machine.ts'

t.setTimeout(10 * 60_000)
const imageServer = fileURLToPath(new URL('image-server.ts', import.meta.url))
const diskBytes = 128 * 2 ** 20

t.test('what breaks outside of server and agent', { skip: whyNoLab() ?? false }, async (t) => {
  await using site = await openSite(t)
  await told(t, site, async () => {
    await t.test('a network cable that is out for 20 s', (t) => cableOut(t, site))
    await t.test('an image server that breaks off in mid-file', (t) => brokenOff(t, site))
    await t.test('an image with another checksum', (t) => wrongChecksum(t, site))
    await t.test('images larger than the disk', (t) => tooLarge(t, site))
    await t.test('a file system that is full', (t) => diskFull(t, site))
  })
})

async function cableOut(t: Test, site: Site): Promise<void> {
  const { lab, machine, images } = site
  await order(lab, 'cable', 'm1', machine.mac, usualActions(lab, machine.disk, images.zst, 'reboot'))
  await machine.powerOn()
  const over = machine.ended()
  await machine.waitForLine(/\[stream\] destination/)
  await sleep(500)
  await machine.cable('down')
  await sleep(20_000)
  await machine.cable('up')
  t.equal((await ended(lab, 'cable')).status?.state, 'SUCCESS')
  t.equal(await over, 'reboot')
  await checkInstalled(t, site, false)
}

async function brokenOff(t: Test, site: Site): Promise<void> {
  const { lab, machine, images } = site
  const { address } = lab.network
  const file = join(lab.imageDir, images.zst.file)
  const [program, args] = lab.network.inside([
    process.execPath,
    '--import=tsx',
    imageServer,
    file,
    address,
    '8080',
    '4000000',
  ])
  const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const requests: string[] = []
  createInterface(server.stdout).on('line', (line) => requests.push(line))
  while (requests.length === 0) await sleep(20)
  const [stream, ...rest] = usualActions(lab, machine.disk, images.zst, 'reboot').slice(0, 3)
  const environment = { ...stream!.environment, IMG_URL: `http://${address}:8080/image` }
  await order(lab, 'broken', 'm1', machine.mac, [{ ...stream!, environment }, ...rest])
  await machine.powerOn()
  t.equal((await ended(lab, 'broken')).status?.state, 'SUCCESS', 'the checksum was right')
  server.kill('SIGKILL')
  t.match(
    requests,
    ['listening', 'whole unconditional', 'bytes=4000000- "one"', 'bytes=8000000- "one"'],
    'it went on where it broke off, with the same file only',
  )
  t.equal(requests.length, 4, 'in three requests')
  await checkInstalled(t, site, false)
}

async function wrongChecksum(t: Test, site: Site): Promise<void> {
  const { lab, machine, images } = site
  const [stream, ...rest] = usualActions(lab, machine.disk, images.xz, 'reboot')
  const wanted = 'ab'.repeat(32)
  const since = machine.lines.length
  await order(lab, 'checksum', 'm1', machine.mac, [
    { ...stream!, environment: { ...stream!.environment, SHA256: wanted } },
    ...rest,
  ])
  const workflow = await ended(lab, 'checksum')
  fails(t, workflow, wanted, images.xz.sha256)
  t.ok(
    actionsOf(workflow)
      .slice(1)
      .every(({ state }) => state === 'PENDING'),
    'nothing else was begun',
  )
  const disk = await open(machine.disk)
  const head = Buffer.alloc(2 ** 20)
  await disk.read(head, 0, head.length, 0).finally(() => disk.close())
  t.ok(
    head.every((byte) => byte === 0),
    'the disk has no beginning that could boot',
  )
  await sleep(500)
  t.notOk(
    machine.lines.slice(since).some((line) => line.includes('[end]')),
    'the machine was not restarted',
  )
}

async function tooLarge(t: Test, site: Site): Promise<void> {
  const { lab, machine } = site
  const raw = join(lab.imageDir, 'large.raw')
  await writeFile(raw, '')
  await truncate(raw, diskBytes + 4096)
  await run('zstd', '-q', '-1', '--keep', raw)
  await run('xz', '-0', '--keep', raw)
  const before = await sumOf(site)
  for (const format of ['raw', 'zst', 'xz']) {
    const name = `large-${format}`
    const file = format === 'raw' ? 'large.raw' : `large.raw.${format}`
    const environment = { DEST_DISK: machine.disk, IMG_URL: imageUrl(lab, { file, sha256: '' }) }
    await order(lab, name, 'm1', machine.mac, [{ name: 'stream', image: 'image2disk', environment }])
    fails(t, await ended(lab, name), `${diskBytes}`, `${diskBytes + 4096}`)
    t.equal(await sumOf(site), before, `${format}: not a byte of the disk was written`)
  }
}

async function diskFull(t: Test, site: Site): Promise<void> {
  const { lab, machine, images } = site
  const [stream, config, command] = usualActions(lab, machine.disk, images.raw, 'reboot')
  const fill = '/bin/busybox dd if=/dev/zero of=/fill bs=4k; /bin/busybox sync; true'
  const filling: Action = { ...command!, environment: { ...command!.environment, CMD_LINE: fill } }
  await order(lab, 'full', 'm1', machine.mac, [stream!, filling, config!])
  const workflow = await ended(lab, 'full')
  fails(t, workflow, 'room for 0 bytes', '/etc/config')
  const folder = await run('mktemp', '-d', '-p', lab.dir)
  await run('mount', '-o', 'ro', machine.disk, folder)
  const found = await run('ls', '-A', `${folder}/etc`).finally(() => run('umount', folder))
  t.equal(found, '', 'no part of the file is left')
}

/** The Workflow has failed, and its reason has these words. */
function fails(t: Test, workflow: Workflow, ...words: string[]): void {
  const { state, conditions } = workflow.status ?? {}
  const reason = conditions?.find(({ type }) => type === 'Succeeded')?.message ?? ''
  t.equal(state, 'FAILED', `${workflow.metadata.name}: ${reason}`)
  for (const word of words)
    t.ok(reason.toLowerCase().includes(word.toLowerCase()), `the reason has "${word}"`)
}

const sumOf = async ({ machine }: Site): Promise<string> =>
  (await run('sha256sum', machine.disk)).slice(0, 64)
