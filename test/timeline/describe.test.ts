import t from 'tap'
import { describe } from '../../src/timeline/describe.ts'
import { stages } from '../../src/timeline/stage.ts'
import type { Facts, Stage } from '../../src/timeline/stage.ts'

const cases: { stage: Stage; facts?: Facts; count?: number; want: string }[] = [
  { stage: 'dhcp-discover', facts: { arch: 7 }, want: 'asked for an address (DISCOVER, UEFI x86-64)' },
  {
    stage: 'dhcp-discover',
    facts: { arch: 0, client: 'iPXE' },
    want: 'asked for an address (DISCOVER, BIOS x86, iPXE)',
  },
  { stage: 'dhcp-discover', facts: { arch: '7,16' }, want: 'asked for an address (DISCOVER, UEFI x86-64)' },
  { stage: 'dhcp-discover', facts: { arch: '99' }, want: 'asked for an address (DISCOVER, 99)' },
  {
    stage: 'dhcp-ack',
    facts: { ip: '10.0.0.1', noFile: 'no-arch' },
    want: 'got its address 10.0.0.1, no boot file: no-arch',
  },
  {
    stage: 'action-ended',
    facts: { action: 'a', state: 'SUCCESS', ms: 125_000 },
    want: 'action "a" succeeded after 2m 5s',
  },
  { stage: 'dhcp-discover', count: 3, want: 'asked for an address (DISCOVER), 3 times' },
  {
    stage: 'dhcp-offer',
    facts: { ip: '10.0.0.1', file: 'ipxe.efi' },
    want: 'was offered an address 10.0.0.1, boot file ipxe.efi',
  },
  {
    stage: 'dhcp-offer',
    facts: { ip: '10.0.0.1', offLink: true, file: 'ipxe.efi' },
    want: 'was offered an address 10.0.0.1 that is not of its link, boot file ipxe.efi',
  },
  {
    stage: 'dhcp-silent',
    facts: { why: 'unknown-machine' },
    want: 'got no answer to its DHCP packet: unknown-machine',
  },
  {
    stage: 'tftp-read',
    facts: { file: 'undionly.kpxe', bytes: 71_680 },
    want: 'read undionly.kpxe over TFTP (70.0 KiB)',
  },
  {
    stage: 'kernel',
    facts: { file: 'vmlinuz-x86_64', bytes: 12 },
    want: 'fetched the kernel vmlinuz-x86_64 (12 bytes)',
  },
  { stage: 'initramfs', facts: { bytes: 157_286_400 }, want: 'fetched the initramfs (150 MiB)' },
  {
    stage: 'image-waits',
    facts: { file: 'a.img', ahead: 3 },
    want: 'waits its turn for the image a.img (number 3 in the queue)',
  },
  {
    stage: 'image',
    facts: { file: 'a.img', bytes: 2048, ms: 1000, waitedMs: 65_000 },
    want: 'fetched the image a.img (2.0 KiB in 1.0 s, 2.0 KiB/s), having waited 1m 5s for its turn',
  },
  {
    stage: 'user-state',
    facts: { state: 'failed', code: 1003, message: 'no disk' },
    want: 'said how its own work goes: failed (1003): no disk',
  },
  { stage: 'action-started', facts: { action: 'write image' }, want: 'began action "write image"' },
  {
    stage: 'action-ended',
    facts: { action: 'write image', state: 'FAILED', message: 'no space' },
    want: 'action "write image" failed: no space',
  },
  { stage: 'workflow-ended', facts: { workflow: 'n/w', state: 'SUCCESS' }, want: 'workflow n/w succeeded' },
  { stage: 'workflow-ended', facts: { state: 'ODD' }, want: 'workflow ended with ODD' },
  { stage: 'workflow-ended', facts: { state: 'constructor' }, want: 'workflow ended with constructor' },
  { stage: 'phone-home', want: 'phoned home: the installed system is up' },
]

for (const { stage, facts = {}, count = 1, want } of cases) {
  t.test(want, async (t) => t.equal(describe({ stage, facts, count }), want))
}

t.test('every stage makes a sentence without any facts', async (t) => {
  for (const stage of stages) {
    const sentence = describe({ stage, facts: {}, count: 1 })
    t.notMatch(sentence, /undefined|NaN| {2}|[ :,]$|\( /, sentence)
  }
})

t.test('a stage of a later version is named as it is', async (t) => {
  t.equal(describe({ stage: 'later' as Stage, facts: {}, count: 2 }), 'later, 2 times')
})
