import type { Seen } from './case.ts'
import { textOf } from './read.ts'
import { saw, sawAll, spell } from './rule.ts'
import type { Rule } from './rule.ts'
import { newest, stateOf, waiting } from './work.ts'

/** How long an installed system may take from the end of its Workflow to its first word, ms. */
const installedPatience = 900_000

const noPhoneHome: Rule = (look) => {
  const workflow = newest(look)
  const end = look.ever('workflow-ended', ({ facts }) => textOf(facts, 'state') === 'SUCCESS')
  if (!workflow || stateOf(workflow) !== 'SUCCESS' || !end || look.now - end.lastAt < installedPatience)
    return undefined
  const after = ({ lastAt }: Seen) => lastAt > end.lastAt
  const read = look.ever('metadata', (entry) => after(entry) && entry.facts['withheld'] !== true)
  const isAsked = /phone[_-]?home/i.test(look.hardware?.spec?.userData ?? '')
  if (look.ever('phone-home', after) || (read && !isAsked)) return undefined
  const lease = look.ever('dhcp-ack', (entry) => after(entry) && entry.facts['file'] === undefined)
  const [title, todo] = read
    ? ['read its metadata and did not phone home', readNotHome]
    : lease
      ? ['got its address and did not ask for its metadata', upNotRead]
      : ['was not heard at all', notUp]
  return {
    cause: 'no-phone-home',
    weight: 80,
    title: `it was installed ${spell(look.now - end.lastAt)} ago, and the installed system ${title}`,
    evidence: sawAll(end, look.ever('boot-disk', after), lease, read),
    todo,
  }
}

const readNotHome = [
  'look into /var/log/cloud-init.log there: a module before phone_home may have failed',
  'the URL in phone_home must be that of the metadata service',
]
const upNotRead = [
  'open the metadata ports (metadata.ports) of the server for it',
  'is cloud-init in the image, and its EC2 or NoCloud datasource set to the address of this server?',
]
const notUp = [
  'look at its console: does it start the disk at all? Disk first or network first in the boot order, UEFI image on a BIOS machine or the other way round',
  'the image may name another network interface or another address, or have no driver for the card',
]

const endless = 3

/** The same way again and again. */
const loop: Rule = (look) => {
  const disk = look.ever('boot-disk')
  const alive = look.ever(['metadata', 'phone-home', 'agent-hello'])
  if (disk && disk.count >= endless && disk.lastAt > (alive?.lastAt ?? 0))
    return {
      cause: 'boot-loop',
      weight: 84,
      title: `it was sent to its own disk ${disk.count} times in ${spell(disk.lastAt - disk.at)}: that does not boot`,
      evidence: [saw(disk)],
      todo: [
        'is there a system on that disk, and does it suit the firmware (UEFI or BIOS)?',
        'look at its screen for what the boot loader says',
      ],
    }
  const start = look.ever('workflow-started')
  const scripts = look.seen.filter(
    ({ stage, facts, lastAt }) =>
      stage === 'boot-script' && facts['target'] === 'agent' && lastAt > (start?.lastAt ?? Infinity),
  )
  const times = scripts.reduce((sum, { count }) => sum + count, 0)
  if (times >= endless && waiting(look))
    return {
      cause: 'boot-loop',
      weight: 83,
      title: `it booted the netboot OS ${times} times while one Workflow runs`,
      evidence: sawAll(start, scripts.at(-1), look.ever('agent-hello')),
      todo: [
        'look at its console and at the lines of the action that runs: something restarts the machine (watchdog, kernel panic, power)',
      ],
    }
  if (look.rounds < endless || !look.sign) return undefined
  return {
    cause: 'boot-loop',
    weight: 58,
    title: `it came this far ${look.rounds} times in ${spell(look.sign.lastAt - look.sign.at)}`,
    evidence: [saw(look.sign)],
    todo: ['the cause above repeats itself; this is no trouble of its own'],
  }
}

/** What may be wrong after the installation, and what repeats itself. */
export const afterRules: readonly Rule[] = [loop, noPhoneHome]
