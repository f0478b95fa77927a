import { messageOf } from '../model/error.ts'
import type { Commands } from './commands.ts'

/** How this boot of the machine ends: by a restart, or by the kernel that an action has loaded. */
export type Leave = 'reboot' | 'kexec'

/** Ends this boot; on the machine it does not come back. A loaded kernel that does not start gives way to a restart. */
export function systemLeave(commands: Commands, say: (line: string) => void): (how: Leave) => Promise<void> {
  return async (how) => {
    await commands.run('sync', [])
    if (how === 'kexec')
      await commands
        .run('kexec', ['-e'])
        .catch((error: unknown) => say(`${messageOf(error)}; the machine restarts instead`))
    await commands.run('reboot', ['-f'])
  }
}
