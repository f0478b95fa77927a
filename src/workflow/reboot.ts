import type { ActionStatus } from '../model/workflow.ts'
import { lastPart } from './image-name.ts'

type Action = Pick<ActionStatus, 'image' | 'name'>

/** Actions that leave the machine running, whatever they are called ("write reboot hook"). */
const staysUp = new Set([
  'image2disk',
  'oci2disk',
  'archive2disk',
  'qemuimg2disk',
  'writefile',
  'cexec',
  'rootio',
  'grub2disk',
  'syslinux',
  'slurp',
])

/** Actions of ironwake's agent that report their success, and leave once it is acknowledged. */
const leavesWhenAcknowledged = new Set(['reboot', 'kexec'])

/**
 * Whether the action ends the boot of the machine it runs on: its image is `reboot` or `kexec` in any registry with any
 * tag, or its name contains "reboot" (the rule of EKS Anywhere's own Tinkerbell).
 */
export function reboots(action: Action): boolean {
  const program = lastPart(action.image)
  if (leavesWhenAcknowledged.has(program)) return true
  return action.name.toLowerCase().includes('reboot') && !staysUp.has(program)
}

/** Whether the machine may go down before its agent can report more than that the action runs. */
export function endsUnseen(action: Action): boolean {
  return reboots(action) && !leavesWhenAcknowledged.has(lastPart(action.image))
}
