import type { Facts, Stage, TimelineEntry } from './stage.ts'

/** DHCP option 93 (RFC 4578 §2.1 and the IANA registry). */
const archNames: Readonly<Record<string, string>> = {
  0: 'BIOS x86',
  6: 'UEFI x86',
  7: 'UEFI x86-64',
  9: 'UEFI x86-64',
  10: 'UEFI ARM',
  11: 'UEFI ARM64',
  15: 'UEFI HTTP x86',
  16: 'UEFI HTTP x86-64',
  18: 'UEFI HTTP ARM',
  19: 'UEFI HTTP ARM64',
}

const outcomes: Readonly<Record<string, string>> = {
  SUCCESS: 'succeeded',
  FAILED: 'failed',
  TIMEOUT: 'ran out of time',
}

/** Keys come from the network: only the table's own count. */
const entryOf = (table: Readonly<Record<string, string>>, key: string) =>
  Object.hasOwn(table, key) ? table[key] : undefined

/** What one fact adds to the sentence; empty when it is not known. */
type Say = (facts: Facts) => string

const known = (facts: Facts, name: string) => (Object.hasOwn(facts, name) ? String(facts[name]) : '')
const word =
  (name: string, before = ' ', after = ''): Say =>
  (facts) =>
    known(facts, name) && `${before}${known(facts, name)}${after}`
const why = word('why', ': ')
const firmware: Say = (facts) => {
  const archs = known(facts, 'arch').split(',')
  const named = archs.map((arch) => entryOf(archNames, arch)).find((name) => name !== undefined)
  return archs[0] ? `, ${named ?? archs[0]}` : ''
}
/** Who asked: a machine asks for an address three times on its way, each time by another program. */
const clients: Readonly<Record<string, string>> = {
  firmware: 'firmware',
  http: 'firmware, HTTP boot',
  ipxe: 'iPXE',
  os: 'a running system',
}
const client: Say = (facts) => {
  const name = known(facts, 'client')
  return name && `, ${entryOf(clients, name) ?? name}`
}
const named = word('server', ' of server ')
const duration: Say = ({ ms }) => (typeof ms === 'number' && ms >= 1000 ? ` after ${readableTime(ms)}` : '')
const offLink: Say = ({ offLink: is }) => (is === true ? ' that is not of its link' : '')
const file: Say = (facts) => word('file', ', boot file ')(facts) + word('noFile', ', no boot file: ')(facts)
const size: Say = ({ bytes, total, ms, broken }) => {
  if (typeof bytes !== 'number') return ''
  const part = typeof total === 'number' && broken === true ? ` of ${readableBytes(total)}, broken off` : ''
  const time = typeof ms === 'number' ? ` in ${(ms / 1000).toFixed(1)} s` : ''
  const rate = typeof ms === 'number' && ms > 0 ? `, ${readableBytes((bytes * 1000) / ms)}/s` : ''
  return ` (${readableBytes(bytes)}${part}${time}${rate})`
}
const waited: Say = ({ waitedMs }) =>
  typeof waitedMs === 'number' && waitedMs >= 1000
    ? `, having waited ${readableTime(waitedMs)} for its turn`
    : ''
const rulesMatched: Say = ({ matched, rules }) =>
  typeof matched === 'number' && typeof rules === 'number' ? `, ${matched} of ${rules} rules match` : ''
const readMetadata: Say = ({ withheld }) =>
  withheld === true
    ? 'was refused its metadata: its Hardware has user data, and not the address that it asks from'
    : 'read its metadata'
const action: Say = (facts) => known(facts, 'action') && ` "${known(facts, 'action')}"`
const outcome: Say = (facts) => {
  const state = known(facts, 'state')
  return ` ${entryOf(outcomes, state) ?? (state ? `ended with ${state}` : 'ended')}`
}

const sentences: Readonly<Record<Stage, readonly (string | Say)[]>> = {
  'dhcp-discover': ['asked for an address (DISCOVER', firmware, client, ')'],
  'dhcp-offer': ['was offered an address', word('ip'), offLink, file],
  'dhcp-request': ['requested the address', word('ip'), named, ' (REQUEST', firmware, client, ')'],
  'dhcp-ack': ['got its address', word('ip'), offLink, file],
  'dhcp-nak': ['was refused the address', word('ip'), word('wanted'), why],
  'dhcp-silent': ['got no answer to its DHCP packet', word('type', ' '), why],
  'tftp-read': ['read', word('file'), ' over TFTP', size],
  'tftp-failed': ['could not read', word('file'), ' over TFTP', why, word('detail', ' (', ')')],
  'http-failed': ['could not fetch', word('file'), ' over HTTP', why],
  'boot-file': ['fetched the boot file', word('file'), size],
  'boot-script': ['fetched its iPXE script', word('target', ', to boot '), why],
  'boot-disk': ['was told to boot from its own disk', why],
  kernel: ['fetched the kernel', word('file'), size],
  initramfs: ['fetched the initramfs', word('file'), size],
  'agent-hello': ['its agent reported in', word('version', ', version '), word('ip', ', from ')],
  'agent-rejected': ['its agent was turned away', why],
  'agent-lost': ['its agent is no longer heard of', why],
  discovered: ['was unknown, and is Hardware', word('hardware'), ' now'],
  enrolled: ['got Workflow', word('workflow'), ' from rule set', word('ruleSet'), rulesMatched],
  'not-enrolled': ['got no Workflow from a rule set', why],
  'image-waits': ['waits its turn for the image', word('file'), word('ahead', ' (number ', ' in the queue)')],
  image: ['fetched the image', word('file'), size, waited],
  'workflow-started': ['began workflow', word('workflow')],
  'action-started': ['began action', action, word('image', ' (', ')'), word('attempt', ', attempt ')],
  'action-ended': ['action', action, outcome, duration, word('message', ': '), why],
  'workflow-ended': ['workflow', word('workflow'), outcome, word('message', ': '), why],
  metadata: [readMetadata, word('path')],
  'phone-home': ['phoned home: the installed system is up', word('hostname', ', as ')],
  'user-state': [
    'said how its own work goes',
    word('state', ': '),
    word('code', ' (', ')'),
    word('message', ': '),
  ],
  syslog: [
    'said',
    word('severity', ' (', ')'),
    word('app', ' ', ':'),
    word('text'),
    word('leftOut', ' (', ' lines before it left out)'),
  ],
}

/**
 * One line of English for one entry, without its time: `asked for an address (DISCOVER, UEFI x86-64)`. Facts that are
 * missing are left out.
 */
export function describe({ stage, facts, count }: Pick<TimelineEntry, 'stage' | 'facts' | 'count'>): string {
  const parts: readonly (string | Say)[] = Object.hasOwn(sentences, stage)
    ? sentences[stage]
    : [String(stage)]
  const sentence = parts.map((part) => (typeof part === 'string' ? part : part(facts))).join('')
  return count > 1 ? `${sentence}, ${count} times` : sentence
}

/** `1.5 MiB`. */
function readableBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 0), units.length - 1)
  const value = bytes / 1024 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}

/** `2m 5s`. */
function readableTime(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m ${seconds % 60}s`
}
