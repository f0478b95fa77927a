import t from 'tap'
import { systemLeave } from '../../src/agent/leave.ts'
import type { Leave } from '../../src/agent/leave.ts'

const cases: { name: string; how: Leave; broken?: string; want: string[]; says?: RegExp }[] = [
  { name: 'a restart comes after the last writes', how: 'reboot', want: ['sync', 'reboot -f'] },
  {
    name: 'a loaded kernel that does not start gives way to a restart, and says so',
    how: 'kexec',
    broken: 'kexec -e',
    want: ['sync', 'kexec -e', 'reboot -f'],
    says: /kexec -e: nothing is loaded; the machine restarts instead/,
  },
]
for (const { name, how, broken, want, says } of cases)
  t.test(name, async (t) => {
    const ran: string[] = []
    const said: string[] = []
    const run = async (program: string, args: readonly string[]) => {
      const line = [program, ...args].join(' ')
      ran.push(line)
      if (line === broken) throw new Error(`${line}: nothing is loaded`)
      return ''
    }
    await systemLeave({ run }, (line) => said.push(line))(how)
    t.same(ran, want)
    t.match(said, says ? [says] : [])
  })
