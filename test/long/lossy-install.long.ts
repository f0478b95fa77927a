import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { importMachines } from '../../src/lab/install.ts'
import { readParts } from '../../src/lab/scenario.ts'
import { tellTimeline, untilSuccess } from '../e2e/steps.ts'
import { poor } from '../interop/poor-line.ts'
import { createTinyWorkflow, tinyImage } from './lossy-install.ts'
import { inFarLab } from './lossy-lab.ts'
import { fastest } from './lossy-link.ts'

/**
 * Most of the time goes by while iPXE loads kernel and initramfs, 52 MB: at some 40 KB/s from a server that slows down at
 * each loss, at 500 KB/s from one that does not.
 */
const minute = 60_000
t.setTimeout(59 * minute)
const skip = whyNoLab() ?? false

t.test('over a poor cable a machine is installed from its first packet to its last', { skip }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'lossy-install-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const { parts, image } = tinyImage(readParts(), dir, 4)
  const target = { name: 'far-1', mac: '52:54:00:77:08:01', last: 80 }
  const congestion = fastest()
  t.comment(`the server's TCP: ${congestion}`)
  await inFarLab(t, { quality: poor, congestion, parts }, async (lab) => {
    await importMachines(lab, [target])
    await createTinyWorkflow(lab, image, target)
    const machine = await lab.machine({ ...target, firmware: 'bios' })
    await machine.powerOn()
    const hello = await lab.waitForStage(target.mac, 'agent-hello', 45 * minute)
    t.match(hello.facts, { firmware: 'bios' }, 'kernel and initramfs came whole, and the agent says hello')
    await untilSuccess(lab, target.name, 10 * minute)
    t.ok(beginningOf(machine.diskPath, image.bytes.length).equals(image.bytes), 'its disk has the image')
    await tellTimeline(t, lab, target.mac)
  })
})

function beginningOf(path: string, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  const fd = openSync(path, 'r')
  readSync(fd, bytes, 0, length, 0)
  closeSync(fd)
  return bytes
}
