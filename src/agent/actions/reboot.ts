import { messageOf } from '../../model/error.ts'
import { setBootNext } from '../bootnext.ts'
import type { ActionResult, ActionRun, Machine } from './action.ts'

/**
 * Restarts the machine once the server knows that this action has ended. On UEFI the firmware is first told to start
 * the disk that the image went to, because its boot order usually has the network first; where that fails, the boot
 * order and the server's answer to the next network boot decide.
 */
export async function reboot(run: ActionRun, machine: Machine): Promise<ActionResult> {
  const { commands } = machine
  const disk = machine.installedDisk.get()
  let how = 'the boot order decides what starts'
  if (machine.uefi && disk !== undefined) {
    try {
      how = await setBootNext(commands, machine.mounts, disk)
    } catch (error) {
      run.log(`BootNext was not set: ${messageOf(error)}`)
    }
  }
  run.log(how)
  await commands.run('sync', [])
  return { message: `restarting; ${how}`, leave: 'reboot' }
}
