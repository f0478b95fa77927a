import type { ActionStatus } from '../model/workflow.ts'
import { lastPart } from './image-name.ts'

/** Actions that leave the machine running, whatever they are called ("write reboot hook"). */
const staysUp = new Set([
  'image2disk',
  'oci2disk',
  'archive2disk',
  'qemuimg2disk',
  'writefile',
  'rootio',
  'grub2disk',
  'syslinux',
  'slurp',
])

/**
 * Whether the action restarts the machine it runs on, so that its end may never be reported: its image is `reboot` in
 * any registry with any tag, or its name contains "reboot" (the rule of EKS Anywhere's own Tinkerbell).
 */
export function reboots(action: Pick<ActionStatus, 'image' | 'name'>): boolean {
  const program = lastPart(action.image)
  if (program === 'reboot') return true
  return action.name.toLowerCase().includes('reboot') && !staysUp.has(program)
}
