import type { Boot, RunEvent, RunStatus } from './run.ts'
import { precedingPlace } from './place.ts'
import type { Place } from './place.ts'
import { reboots } from './reboot.ts'

/** The boot that the next action is for: that of the event, as far as it says, else that of the action before. */
export function bootOf(status: RunStatus, event: RunEvent): Boot {
  if (event.type === 'agent-ready')
    return { bootId: event.bootId, ...(event.session === undefined ? {} : { session: event.session }) }
  const { bootId = '', session } = status.ironwake ?? {}
  const told = event.type === 'reported' ? (event.session ?? session) : session
  return { bootId, ...(told === undefined ? {} : { session: told }) }
}

/** Whether the machine has certainly restarted since the agent was given the action that runs. */
export function isOtherBoot(status: RunStatus, boot: Boot): boolean {
  const { bootId = '', session, isLeaving } = status.ironwake ?? {}
  if (isOtherKind(status, boot)) return true
  if (boot.session !== undefined) return isLeaving === true && session !== boot.session
  return bootId !== '' && boot.bootId !== '' && bootId !== boot.bootId
}

/** Whether one of the two is ironwake's own netboot OS and the other is not. */
function isOtherKind({ ironwake }: RunStatus, boot: Boot): boolean {
  if (ironwake?.session !== undefined) return boot.session === undefined
  return boot.session !== undefined && (ironwake?.bootId ?? '') !== ''
}

/** Whether the action before this one ends the boot, and the machine is still in that boot. */
export function awaitsReboot(status: RunStatus, place: Place, boot: Boot): boolean {
  const before = precedingPlace(status, place)
  if (!before || before.task.agentID !== place.task.agentID || !reboots(before.action)) return false
  if (isOtherKind(status, boot)) return false
  if (boot.session !== undefined) return status.ironwake?.session === boot.session
  return (status.ironwake?.bootId ?? '') !== '' && !isOtherBoot(status, boot)
}
