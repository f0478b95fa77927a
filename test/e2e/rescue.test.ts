import { stat } from 'node:fs/promises'
import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { importMachines, namespace } from '../../src/lab/install.ts'
import { orderShipped } from './order.ts'
import { inLab, machineOf, stageMs, untilSuccess } from './steps.ts'

t.setTimeout(15 * 60_000)

// The shell of `ironwake.debug` would read from the same console.
const flags = ['--boot-kernel-args', 'loglevel=4']

t.test(
  'a shell on the serial console: what is typed there is answered there, and nothing is written',
  { skip: whyNoLab() ?? false },
  async (t) => {
    const target = { name: 'rescue-1', mac: '52:54:00:77:08:01', last: 41 }
    await inLab(t, { flags }, async (lab) => {
      await importMachines(lab, [target])
      await orderShipped(lab, 'rescue-shell', target)
      const machine = await machineOf(lab, 'bios', target)
      await machine.powerOn()
      await machine.waitForLine(/^Rescue shell of the netboot OS\. Read-only: \/dev\/vda$/, stageMs)
      machine.type('echo answer $((6 * 7)) by $(id -un)\n')
      await machine.waitForLine(/^answer 42 by root$/, stageMs)
      machine.type('dd if=/dev/urandom of=/dev/vda bs=1M count=1 conv=fsync; echo "written: $?"\n')
      await machine.waitForLine(/Operation not permitted|Permission denied|Read-only/, stageMs)
      await machine.waitForLine(/^written: 1$/, stageMs)
      machine.type('exit\n')
      await untilSuccess(lab, 'rescue-shell')
      // The console may be lost in the restart; the log is not.
      const log = await lab.cli('workflow', 'logs', 'rescue-shell', '-n', namespace)
      t.match(log, /a shell runs on \/dev\/ttyS0; read-only: \/dev\/vda/)
      t.match(log, /the operator has left the shell/)
      await lab.waitForStage(machine.mac, 'boot-disk', stageMs)
      t.pass('the machine was restarted, and sent to its disk')
      t.equal((await stat(machine.diskPath)).blocks, 0, 'the disk is as empty as it was')
    })
  },
)
