import t from 'tap'
import { parseIp4 } from '../../../src/model/ip4.ts'
import { parseMac } from '../../../src/model/mac.ts'
import { causes } from '../../../src/timeline/doctor/case.ts'
import type { Case, CauseCode } from '../../../src/timeline/doctor/case.ts'
import { diagnose } from '../../../src/timeline/doctor/diagnose.ts'
import { caseOf, hardware, mac, now, seen, server, workflow } from './case.ts'
import type { Told } from './case.ts'
import {
  firmware,
  ipxe,
  loader,
  system,
  toAgent,
  toEnd,
  toInitramfs,
  toIpxe,
  toKernel,
  toScript,
} from './ways.ts'

type Trouble = { name: string; told: readonly Told[]; more?: Partial<Case>; want: CauseCode; says?: RegExp }

const closed = (name: string) => ({
  ...server,
  ports: server.ports.map((port) => (port.name === name ? { ...port, listening: false } : port)),
})
const without = (name: string) => ({
  ...server,
  files: server.files.map((file) => (file.name === name ? { ...file, present: false } : file)),
})
const stranger = (text: string, more: object = {}) => ({
  mac: parseMac(text)!,
  firstSeen: now - 60_000,
  lastSeen: now - 5000,
  count: 3,
  ...more,
})
const unknown = (inventory: Case['inventory'], more: Partial<Case> = {}): Partial<Case> => ({
  hardware: undefined,
  workflows: [],
  inventory,
  ...more,
})
const listed = (text: string, uuid?: string) => ({
  mac: parseMac(text)!,
  hardware: 'ns1/m1',
  ...(uuid && { uuid }),
})
const ask: Told = ['dhcp-discover', 5, { client: 'firmware', arch: '7' }]
const silent = (why: string, type = 'discover', count = 1): Told => ['dhcp-silent', 5, { type, why }, count]
const far = { address: '10.9.0.20', netmask: '255.255.255.0' }
const failed = (why: string, detail = '', file = 'ipxe.efi'): Told => [
  'tftp-failed',
  5,
  { file, why, detail },
]

const troubles: readonly Trouble[] = [
  { name: 'nothing was heard while others were', told: [], want: 'never-seen', says: /boot order/ },
  {
    name: 'nothing was heard of anyone',
    told: [],
    more: { server: { ...server, dhcpHeardAt: undefined as never } },
    want: 'never-seen',
    says: /no machine at all was heard.*tcpdump/s,
  },
  {
    name: 'nothing was heard, and it is in another network',
    told: [],
    more: { hardware: hardware({ dhcp: { mac, ip: far } }) },
    want: 'no-relay',
    says: /ip helper-address/,
  },
  {
    name: 'the server gives no addresses',
    told: [],
    more: { server: { ...server, dhcp: 'off' } },
    want: 'dhcp-off',
  },
  {
    name: 'the server has no DHCP socket',
    told: [],
    more: { server: closed('dhcp') },
    want: 'server-not-listening',
  },
  {
    name: 'the HTTP port is not open when the script is due',
    told: toIpxe(20),
    more: { server: closed('http') },
    want: 'server-not-listening',
    says: /7171/,
  },
  {
    name: 'the inventory is not read yet',
    told: [],
    more: { server: { ...server, ready: false } },
    want: 'server-not-ready',
  },
  {
    name: 'nobody knows the MAC',
    told: [ask, silent('unknown-machine')],
    more: unknown([]),
    want: 'unknown-mac',
  },
  {
    name: 'the inventory has a MAC with one other digit',
    told: [ask, silent('unknown-machine')],
    more: unknown([listed('52:54:00:70:00:01')]),
    want: 'unknown-mac',
    says: /52:54:00:70:00:01 of ns1\/m1: one digit differs/,
  },
  {
    name: 'the inventory has another port of the machine',
    told: [ask, silent('unknown-machine')],
    more: unknown([listed('52:54:00:00:00:02')]),
    want: 'unknown-mac',
    says: /another port of the same machine/,
  },
  {
    name: 'the inventory has another port of the machine, which says so itself',
    told: [ask, silent('unknown-machine')],
    more: unknown([listed('ac:de:48:99:00:02', 'abc')], { strangers: [stranger(mac, { uuid: 'abc' })] }),
    want: 'unknown-mac',
    says: /ac:de:48:99:00:02 of ns1\/m1: the same machine \(UUID abc\)/,
  },
  {
    name: 'the inventory has the octets the wrong way round',
    told: [ask, silent('unknown-machine')],
    more: unknown([listed('54:52:00:00:00:01')]),
    want: 'unknown-mac',
    says: /swapped/,
  },
  {
    name: 'the Hardware has a MAC like one that was heard',
    told: [],
    more: { strangers: [stranger('52:54:00:00:10:01')] },
    want: 'similar-mac-seen',
    says: /52:54:00:00:10:01/,
  },
  {
    name: 'DHCP is switched off in the Hardware',
    told: [ask, silent('dhcp-disabled')],
    more: { hardware: hardware({ disableDhcp: true }) },
    want: 'dhcp-disabled',
  },
  { name: 'the Hardware has no address', told: [ask, silent('no-address')], want: 'no-address' },
  { name: 'it asks by BOOTP', told: [silent('bootp', 'bootp')], want: 'not-answered', says: /BOOTP/ },
  { name: 'the pool is empty', told: [ask, silent('pool-exhausted')], want: 'not-answered', says: /pool/ },
  {
    name: 'it takes the offer of another server',
    told: [
      ask,
      ['dhcp-offer', 5, { ip: '192.168.77.20', file: 'ipxe.efi' }],
      ['dhcp-request', 4, { client: 'firmware', arch: '7', ip: '192.168.77.99', server: '192.168.77.254' }],
      ['dhcp-silent', 4, { type: 'request', why: 'other-server' }],
    ],
    want: 'other-dhcp-server',
    says: /192\.168\.77\.254/,
  },
  {
    name: 'it does not ask for what it is offered',
    told: [
      ['dhcp-discover', 20, { client: 'firmware', arch: '7' }, 4, 30],
      ['dhcp-offer', 20, { ip: '192.168.77.20', file: 'ipxe.efi' }, 4, 30],
    ],
    want: 'offer-ignored',
  },
  {
    name: 'the offer does not come back through the relay',
    told: [
      ['dhcp-discover', 20, { client: 'firmware', arch: '7', relay: '10.9.0.1' }, 4, 30],
      ['dhcp-offer', 20, { ip: '192.168.77.20', file: 'ipxe.efi' }, 4, 30],
    ],
    want: 'offer-ignored',
    says: /reaches the relay 10\.9\.0\.1/,
  },
  {
    name: 'its request stays without an answer',
    told: firmware(20).slice(0, 3),
    want: 'ack-missing',
  },
  {
    name: 'it wants the address of another network',
    told: [
      ['dhcp-request', 20, { client: 'firmware', ip: '10.0.0.7' }, 3, 20],
      ['dhcp-nak', 20, { ip: '10.0.0.7', why: 'wrong-address' }, 3, 20],
    ],
    want: 'address-refused',
  },
  {
    name: 'another machine has its address',
    told: [...firmware(8), ['dhcp-silent', 5, { type: 'decline', ip: '192.168.77.20', why: 'declined' }]],
    want: 'address-in-use',
  },
  {
    name: 'its relay stands in another network',
    told: firmware(20, { file: 'ipxe.efi', offLink: true }, '7', { relay: '10.9.0.1' }),
    want: 'relay-wrong',
    says: /10\.9\.0\.1/,
  },
  { name: 'its relay has no address', told: [ask, silent('bad-address')], want: 'relay-wrong' },
  {
    name: 'it is on the wrong link',
    told: firmware(20, { file: 'ipxe.efi', offLink: true }),
    want: 'off-link',
  },
  {
    name: 'nobody knows its architecture',
    told: firmware(5, { noFile: 'unknown-arch' }, '27'),
    want: 'unknown-arch',
  },
  { name: 'boot files are switched off', told: firmware(5, { noFile: 'netboot-off' }), want: 'no-boot-file' },
  {
    name: 'UEFI is given a program for BIOS',
    told: firmware(5, { file: 'undionly.kpxe' }),
    want: 'wrong-arch-file',
    says: /UEFI x86-64/,
  },
  {
    name: 'BIOS is given a program for UEFI',
    told: firmware(5, { file: 'ipxe.efi' }, '0'),
    want: 'wrong-arch-file',
  },
  {
    name: 'ARM is given a program for x86',
    told: firmware(5, { file: 'ipxe.efi' }, '11'),
    want: 'wrong-arch-file',
  },
  { name: 'the loader is not there', told: [...firmware(6), failed('no such file')], want: 'file-missing' },
  {
    name: 'the loader is not there, and not asked for yet',
    told: firmware(2),
    more: { server: without('ipxe.efi') },
    want: 'file-missing',
    says: /os ipxe/,
  },
  {
    name: 'the kernel is not there',
    told: [...toScript(6), ['http-failed', 5, { file: 'os/vmlinuz-x86_64', why: 'no such file' }]],
    more: { server: without('vmlinuz-x86_64') },
    want: 'file-missing',
    says: /os build/,
  },
  {
    name: 'the loader cannot be read',
    told: [...firmware(6), failed('read-error')],
    want: 'file-unreadable',
  },
  {
    name: 'TFTP is blocked on the way there',
    told: firmware(60),
    want: 'tftp-no-request',
    says: /UDP port 69/,
  },
  {
    name: 'TFTP is blocked on the way back',
    told: [...firmware(60), failed('timeout', 'no answer to the options')],
    want: 'tftp-no-acks',
    says: /port of its own/,
  },
  {
    name: 'TFTP loses packets',
    told: [...firmware(60), failed('timeout', 'no acknowledgement of block 312')],
    want: 'tftp-no-acks',
    says: /packet loss/,
  },
  {
    name: 'the firmware breaks off',
    told: [...firmware(9), failed('client-error', 'no memory')],
    want: 'tftp-aborted',
  },
  {
    name: 'HTTP boot does not fetch its file',
    told: [
      ['dhcp-discover', 60, { client: 'http', arch: '16' }],
      ['dhcp-ack', 60, { ip: '192.168.77.20', file: 'http://192.168.77.1:7171/ipxe/binary/ipxe.efi' }],
    ],
    want: 'loader-not-fetched',
  },
  {
    name: 'Secure Boot refuses the loader, and the firmware reads it again and again',
    told: [
      ['dhcp-discover', 10, { client: 'firmware', arch: '7' }, 4, 60],
      ['dhcp-offer', 10, { ip: '192.168.77.20', file: 'ipxe.efi' }, 4, 60],
      ['dhcp-request', 9, { client: 'firmware', arch: '7', ip: '192.168.77.20' }, 4, 60],
      ['dhcp-ack', 9, { ip: '192.168.77.20', file: 'ipxe.efi' }, 4, 60],
      ['tftp-read', 8, loader, 4, 60],
    ],
    more: { now: now + 30_000 },
    want: 'secure-boot',
    says: /read whole 4 times/,
  },
  {
    name: 'Secure Boot refuses the loader, and the firmware goes to its next device at once',
    told: [...firmware(8), ['tftp-read', 5, loader], ['dhcp-discover', 4, { client: 'http', arch: '16' }]],
    want: 'secure-boot',
    says: /1 second later the firmware asked anew/,
  },
  {
    name: 'a BIOS does not start its loader',
    told: [
      ...firmware(65, { file: 'undionly.kpxe' }, '0'),
      ['tftp-read', 60, { file: 'undionly.kpxe', bytes: 70_000 }],
    ],
    want: 'loader-did-not-start',
  },
  { name: 'the script is not fetched', told: toIpxe(60), want: 'script-not-fetched', says: /TCP port 7171/ },
  { name: 'an iPXE in the firmware fetches no script', told: ipxe(60), want: 'script-not-fetched' },
  { name: 'the kernel is not fetched', told: toScript(60), want: 'kernel-not-fetched' },
  { name: 'the initramfs is not fetched', told: toKernel(120), want: 'initramfs-not-fetched' },
  {
    name: 'the kernel breaks off',
    told: [...toScript(60), ['kernel', 50, { bytes: 1000, total: 8_247_232, ms: 900, broken: true }]],
    want: 'transfer-broken',
  },
  {
    name: 'the initramfs breaks off',
    told: [...toKernel(60), ['initramfs', 50, { bytes: 1000, total: 43_454_532, ms: 900, broken: true }]],
    want: 'transfer-broken',
    says: /initramfs/,
  },
  { name: 'the netboot OS is not heard', told: toInitramfs(300), want: 'netboot-os-silent', says: /console/ },
  {
    name: 'the netboot OS has no way to its server',
    told: [...toInitramfs(300), ...system(280)],
    want: 'agent-silent',
    says: /TCP port 42113/,
  },
  {
    name: 'the netboot OS speaks by syslog alone',
    told: [
      ...toInitramfs(300),
      ['syslog', 250, { severity: 'err', app: 'agent', text: 'connect: no route' }],
    ],
    want: 'agent-silent',
    says: /no route/,
  },
  {
    name: 'the identity is refused',
    told: [...toInitramfs(60), ...system(30), ['agent-rejected', 20, { why: 'token was used before' }]],
    want: 'agent-rejected',
    says: /token was used before/,
  },
  {
    name: 'the agent is lost',
    told: [
      ...toAgent(600),
      ['action-started', 590, { action: 'write' }],
      ['agent-lost', 300, { seconds: 60 }],
    ],
    more: { workflows: [workflow('RUNNING')] },
    want: 'agent-lost',
  },
  {
    name: 'network boot is not allowed',
    told: [
      ...toScript(5, { target: 'disk', why: 'netboot-not-allowed' }),
      ['boot-disk', 5, { why: 'netboot-not-allowed' }],
    ],
    more: { hardware: hardware({ netboot: { allowPXE: false } }) },
    want: 'netboot-not-allowed',
    says: /ns1\/w1 waits/,
  },
  { name: 'the agent has no Workflow', told: toAgent(300), more: { workflows: [] }, want: 'no-workflow' },
  {
    name: 'a machine without Workflow boots its disk',
    told: [
      ...toScript(5, { target: 'disk', why: 'nothing-to-do' }),
      ['boot-disk', 5, { why: 'nothing-to-do' }],
    ],
    more: { workflows: [] },
    want: 'no-workflow',
  },
  {
    name: 'the Workflow is disabled',
    told: toAgent(60),
    more: { workflows: [workflow('PENDING', { spec: { hardwareRef: 'm1', disabled: true } })] },
    want: 'workflow-disabled',
  },
  {
    name: 'the Workflow cannot be rendered',
    told: toAgent(60),
    more: {
      workflows: [
        workflow(
          '',
          {},
          {
            templateRendering: 'failed',
            conditions: [
              { type: 'TemplateRenderedSuccess', status: 'False', message: 'no entry for key "x"' },
            ],
          },
        ),
      ],
    },
    want: 'workflow-not-rendered',
    says: /no entry for key/,
  },
  {
    name: 'the Workflow waits for another agent',
    told: toAgent(60),
    more: { workflows: [workflow('PENDING', {}, { agentID: '52:54:00:00:00:77' })] },
    want: 'workflow-other-agent',
  },
  {
    name: 'the Workflow failed',
    told: toEnd(60, 'FAILED'),
    more: {
      workflows: [
        workflow(
          'FAILED',
          {},
          {
            tasks: [
              {
                id: 't',
                name: 't',
                agentID: mac,
                actions: [{ id: 'a', name: 'write', image: 'i', state: 'FAILED', message: 'no space left' }],
              },
            ],
          },
        ),
      ],
    },
    want: 'workflow-failed',
    says: /no space left/,
  },
  {
    name: 'the Workflow ran out of time',
    told: toEnd(60, 'TIMEOUT'),
    more: { workflows: [workflow('STATE_TIMEOUT')] },
    want: 'workflow-timeout',
  },
  {
    name: 'the installed system says nothing at all',
    told: toEnd(3600),
    more: { workflows: [workflow('SUCCESS')] },
    want: 'no-phone-home',
    says: /not heard at all/,
  },
  {
    name: 'the installed system asks for no metadata',
    told: [...toEnd(3600), ...system(3500)],
    more: { workflows: [workflow('SUCCESS')] },
    want: 'no-phone-home',
    says: /cloud-init/,
  },
  {
    name: 'the installed system reads its metadata and does not phone home',
    told: [...toEnd(3600), ...system(3500), ['metadata', 3490, { path: 'user-data' }]],
    more: { workflows: [workflow('SUCCESS')], hardware: hardware({}, { userData: 'phone_home: {}' }) },
    want: 'no-phone-home',
    says: /did not phone home/,
  },
  {
    name: 'the disk does not boot',
    told: [
      ['boot-script', 10, { target: 'disk', why: 'installed' }, 5, 300],
      ['boot-disk', 10, { why: 'installed' }, 5, 300],
    ],
    more: { workflows: [workflow('SUCCESS')] },
    want: 'boot-loop',
    says: /5 times/,
  },
  {
    name: 'the netboot OS starts anew in the middle of a Workflow',
    told: [
      ...toAgent(900),
      ['workflow-started', 899, { workflow: 'ns1/w1' }],
      ...[700, 500, 300].flatMap((ago): Told[] => [...toAgent(ago)]),
    ],
    more: { workflows: [workflow('RUNNING')] },
    want: 'boot-loop',
    says: /3 times/,
  },
]

for (const { name, told, more, want, says } of troubles) {
  t.test(`${name}: ${want}`, async (t) => {
    const { state, causes: found } = diagnose(caseOf(told, more))
    const [first] = found
    t.equal(first?.cause, want, JSON.stringify(found, undefined, 1))
    t.equal(state, 'problem')
    const text = JSON.stringify(first)
    if (says) t.match(text, says)
    t.ok(first!.evidence.length > 0 && first!.todo.length > 0, 'it says why and what to do')
    t.notMatch(text, /undefined|NaN|\[object/)
  })
}

t.test('every cause has its case', async (t) => {
  const wanted = new Set<string>(troubles.map(({ want }) => want))
  t.same(
    causes.filter((cause) => !wanted.has(cause)),
    [],
  )
})

const fine: { name: string; told: readonly Told[]; more?: Partial<Case>; state: string }[] = [
  { name: 'it has just asked', told: firmware(1).slice(0, 2), state: 'under-way' },
  { name: 'it reads its loader', told: firmware(5), state: 'under-way' },
  { name: 'its kernel has just been fetched', told: toKernel(5), state: 'under-way' },
  { name: 'the netboot OS starts', told: toInitramfs(30), state: 'under-way' },
  {
    name: 'an action runs',
    told: [...toAgent(60), ['workflow-started', 59], ['action-started', 59, { action: 'write' }]],
    more: { workflows: [workflow('RUNNING')] },
    state: 'under-way',
  },
  {
    name: 'it is being restarted after its installation',
    told: [...toEnd(60), ...firmware(2)],
    more: { workflows: [workflow('SUCCESS')] },
    state: 'under-way',
  },
  {
    name: 'it has phoned home',
    told: [...toEnd(3600), ...system(3500), ['phone-home', 3400]],
    more: { workflows: [workflow('SUCCESS')] },
    state: 'healthy',
  },
  {
    name: 'it has read its metadata, and nobody asked it to phone home',
    told: [...toEnd(3600), ...system(3500), ['metadata', 3400, { path: 'user-data' }]],
    more: { workflows: [workflow('SUCCESS')] },
    state: 'healthy',
  },
  {
    name: 'an installed system renews its lease',
    told: [
      ...toEnd(90_000),
      ['phone-home', 89_000],
      ['dhcp-request', 600, { client: 'os' }],
      ['dhcp-ack', 600, { ip: 'x' }],
    ],
    more: { workflows: [workflow('SUCCESS')] },
    state: 'healthy',
  },
  {
    name: 'a failed try of yesterday is over',
    told: [...firmware(90_000), failed('timeout'), ...toEnd(3600), ['phone-home', 3000]].map((told) =>
      told[0] === 'tftp-failed' ? (['tftp-failed', 89_990, told[2]] as Told) : (told as Told),
    ),
    more: { workflows: [workflow('SUCCESS')] },
    state: 'healthy',
  },
  {
    name: 'with addresses of another server it goes on after the offer',
    told: [
      ['dhcp-discover', 5, { client: 'firmware', arch: '7' }],
      ['dhcp-offer', 5, { file: 'ipxe.efi' }],
      ['dhcp-request', 4, { client: 'firmware', arch: '7', server: '10.0.0.1' }],
      ['dhcp-silent', 4, { type: 'request', why: 'other-server' }],
    ],
    more: { server: { ...server, dhcp: 'proxy' } },
    state: 'under-way',
  },
]

for (const { name, told, more, state } of fine) {
  t.test(`${name}: ${state}`, async (t) => {
    const diagnosis = diagnose(caseOf(told, more))
    t.equal(diagnosis.state, state, JSON.stringify(diagnosis.causes))
    t.same(diagnosis.causes, [])
  })
}

t.test('a diagnosis says how far a machine came, what comes next, and how long it took', async (t) => {
  const given = caseOf([...toEnd(3600), ['phone-home', 3500]], { workflows: [workflow('SUCCESS')] })
  const { reached, expected, journey, hardware: title } = diagnose(given)
  t.match(reached, { stage: 'phone-home', at: now - 3_500_000 })
  t.equal(expected, null)
  t.equal(title, 'ns1/m1')
  t.equal(journey.toAgentMs, 55_000)
  t.equal(journey.toPhoneHomeMs, 275_000)
  t.match(diagnose(caseOf(toIpxe(60))), { reached: { stage: 'dhcp-ack' }, expected: /iPXE script/ })
})

t.test('an agent of Tinkerbell that was turned away gets advice of its own', async (t) => {
  const told = (why: string): readonly Told[] => [
    ...toInitramfs(60),
    ...system(30),
    ['agent-rejected', 20, { why }],
  ]
  for (const [why, advice] of [
    ['not-admitted', /grpc\.tinkerbellAgents/],
    ['address-mismatch', /dhcp\.ip\.address/],
    ['agent-id-mismatch', /spec\.agentID/],
    ['token was used before', /^reboot it/],
  ] as const) {
    const [first] = diagnose(caseOf(told(why))).causes
    t.equal(first?.cause, 'agent-rejected')
    t.match(first?.todo[0], advice)
  }
})

t.test('nothing of a case is changed, and strange facts break nothing', async (t) => {
  const odd = seen([
    ['dhcp-discover', 5, { client: 7, arch: true, toString: 'x' } as never],
    ['tftp-failed', 4, {}],
    ['kernel', 3, { bytes: 'many', broken: 'yes' }],
    ['boot-script', 2],
    ['agent-rejected', 1],
  ])
  const given = Object.freeze(
    caseOf([], { seen: Object.freeze(odd) as never, workflows: [workflow(undefined)] }),
  )
  t.doesNotThrow(() => diagnose(given))
  t.equal(parseIp4('192.168.77.1'), server.address)
})
