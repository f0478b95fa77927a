import type { Facts } from '../../../src/timeline/stage.ts'
import type { Told } from './case.ts'

const ip = '192.168.77.20'
const scriptUrl = 'http://192.168.77.1:7171/ipxe/script/52:54:00:00:00:01/…/auto.ipxe'
export const loader = { file: 'ipxe.efi', bytes: 996_864, ms: 400 }

/** The firmware's exchange, which ended `ago` seconds ago. */
export const firmware = (
  ago: number,
  ack: Facts = { file: 'ipxe.efi' },
  arch = '7',
  more: Facts = {},
): Told[] => [
  ['dhcp-discover', ago + 3, { client: 'firmware', arch, ...more }],
  ['dhcp-offer', ago + 3, { ip, ...ack }],
  ['dhcp-request', ago, { client: 'firmware', arch, ip, ...more }],
  ['dhcp-ack', ago, { ip, ...ack }],
]

export const ipxe = (ago: number): Told[] => [
  ['dhcp-discover', ago + 1, { client: 'ipxe', arch: '7' }],
  ['dhcp-offer', ago + 1, { ip, file: scriptUrl }],
  ['dhcp-request', ago, { client: 'ipxe', arch: '7', ip }],
  ['dhcp-ack', ago, { ip, file: scriptUrl }],
]

export const system = (ago: number): Told[] => [
  ['dhcp-discover', ago + 1, { client: 'os' }],
  ['dhcp-offer', ago + 1, { ip }],
  ['dhcp-request', ago, { client: 'os', ip }],
  ['dhcp-ack', ago, { ip }],
]

/** Up to iPXE's address, its script, the kernel, the initramfs, `ago` seconds ago. */
export const toIpxe = (ago: number): Told[] => [
  ...firmware(ago + 6),
  ['tftp-read', ago + 4, loader],
  ...ipxe(ago),
]
export const toScript = (ago: number, facts: Facts = { target: 'agent', why: 'workflow-waits' }): Told[] => [
  ...toIpxe(ago + 1),
  ['boot-script', ago, facts],
]
export const toKernel = (ago: number): Told[] => [
  ...toScript(ago + 1),
  ['kernel', ago, { bytes: 8_247_232, total: 8_247_232, ms: 900 }],
]
export const toInitramfs = (ago: number): Told[] => [
  ...toKernel(ago + 4),
  ['initramfs', ago, { bytes: 43_454_532, total: 43_454_532, ms: 4000 }],
]
export const toAgent = (ago: number): Told[] => [
  ...toInitramfs(ago + 40),
  ...system(ago + 8),
  ['agent-hello', ago, { agent: '52:54:00:00:00:01', version: '1.0.0' }],
]
export const toEnd = (ago: number, state = 'SUCCESS'): Told[] => [
  ...toAgent(ago + 120),
  ['workflow-started', ago + 119, { workflow: 'ns1/w1' }],
  ['action-started', ago + 119, { action: 'write' }],
  ['action-ended', ago, { action: 'write', state, ms: 119_000 }],
  ['workflow-ended', ago, { workflow: 'ns1/w1', state }],
]
