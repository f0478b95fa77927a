import { parseIp4 } from '../../../src/model/ip4.ts'
import { parseMac } from '../../../src/model/mac.ts'
import { machinesOf } from '../../../src/model/machine.ts'
import type { Hardware, HardwareInterface } from '../../../src/model/hardware.ts'
import type { Workflow } from '../../../src/model/workflow.ts'
import type { Case, Seen, ServerState } from '../../../src/timeline/doctor/case.ts'
import type { Facts, Stage } from '../../../src/timeline/stage.ts'

export const mac = parseMac('52:54:00:00:00:01')!
export const now = Date.parse('2026-05-04T12:00:00Z')
const ip = (text: string) => parseIp4(text)!

export const server: ServerState = {
  address: ip('192.168.77.1'),
  subnets: [{ ip: ip('192.168.77.1'), netmask: ip('255.255.255.0') }],
  ready: true,
  dhcp: 'reservation',
  dhcpHeardAt: now - 5000,
  ports: [
    { name: 'dhcp', port: 67, listening: true },
    { name: 'tftp', port: 69, listening: true },
    { name: 'http', port: 7171, listening: true },
    { name: 'grpc', port: 42113, listening: true },
  ],
  files: ['undionly.kpxe', 'ipxe.efi', 'vmlinuz-x86_64', 'initramfs-x86_64'].map((name) => ({
    name,
    present: true,
    madeBy: name.startsWith('ipxe') || name.endsWith('kpxe') ? 'ironwake os ipxe' : 'ironwake os build',
  })),
}

const metadata = (name: string) => ({
  name,
  namespace: 'ns1',
  uid: name,
  resourceVersion: '1',
  generation: 1,
  creationTimestamp: '2026-01-01T00:00:00Z',
})

export function hardware(nic: Partial<HardwareInterface> = {}, spec: object = {}): Hardware {
  const dhcp = { mac, hostname: 'm1', ip: { address: '192.168.77.20', netmask: '255.255.255.0' } }
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Hardware',
    metadata: metadata('m1'),
    spec: { interfaces: [{ dhcp, netboot: { allowPXE: true }, ...nic }], ...spec },
  }
}

export function workflow(
  state: string | undefined,
  more: Partial<Workflow> = {},
  status: object = {},
): Workflow {
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Workflow',
    metadata: metadata('w1'),
    spec: { hardwareRef: 'm1', templateRef: 't1' },
    ...(state === undefined ? {} : { status: { state, ...status } }),
    ...more,
  }
}

/** One entry: what, when (seconds ago), with which facts, how often and since when (seconds before its last time). */
export type Told = readonly [Stage, number, Facts?, number?, number?]

export function seen(told: readonly Told[]): Seen[] {
  return told.map(([stage, ago, facts = {}, count = 1, span = 0]) => {
    const lastAt = now - ago * 1000
    return { mac, stage, facts, count, at: lastAt - span * 1000, lastAt }
  })
}

export function caseOf(told: readonly Told[], more: Partial<Case> = {}): Case {
  const owner = 'hardware' in more ? more.hardware : hardware()
  return {
    now,
    macs: [mac],
    seen: seen(told).toSorted((a, b) => a.at - b.at),
    hardware: owner,
    machines: owner ? machinesOf(owner) : [],
    workflows: [workflow('PENDING')],
    inventory: owner ? [{ mac, hardware: 'ns1/m1' }] : [],
    strangers: [],
    server,
    ...more,
  }
}
