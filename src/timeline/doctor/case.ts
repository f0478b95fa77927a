import type { Hardware } from '../../model/hardware.ts'
import type { Ip4 } from '../../model/ip4.ts'
import type { Mac } from '../../model/mac.ts'
import type { Machine } from '../../model/machine.ts'
import type { Workflow } from '../../model/workflow.ts'
import type { TimelineEntry } from '../stage.ts'
import type { UnknownMachine } from '../unknown.ts'

export type Seen = TimelineEntry & { mac: Mac }

/** What of the server itself a machine's boot depends on. */
export type ServerState = {
  address: Ip4
  /** networks that the server is a part of; empty when they are not known */
  subnets: readonly { ip: Ip4; netmask: Ip4 }[]
  /** whether the inventory is in step with the store */
  ready: boolean
  /** setting dhcp.mode; `proxy` and `auto-proxy`: another server gives the addresses */
  dhcp: string
  /** `name` as in the readiness checks: `dhcp`, `tftp`, `http`, `grpc`, `metadata:7172` */
  ports: readonly { name: string; port: number; listening: boolean }[]
  /** boot files by the names under which machines ask for them */
  files: readonly { name: string; present: boolean; madeBy: string }[]
  /** epoch ms of the last DHCP packet of any machine; missing when none was ever heard */
  dhcpHeardAt?: number
}

/** A MAC of the inventory; `uuid`: what the machine called itself in DHCP option 97. */
export type Listed = { mac: Mac; hardware: string; uuid?: string }

/** Everything that a diagnosis depends on. Nothing in it is changed. */
export type Case = {
  /** epoch ms */
  now: number
  /** the MAC that was asked for, or all of the Hardware */
  macs: readonly Mac[]
  /** what these were seen to do, by `at`, oldest first */
  seen: readonly Seen[]
  /** the Hardware that has one of the MACs, and its interfaces */
  hardware: Hardware | undefined
  machines: readonly Machine[]
  /** all of the Hardware, oldest first */
  workflows: readonly Workflow[]
  inventory: readonly Listed[]
  strangers: readonly UnknownMachine[]
  server: ServerState
}

/** Why a machine does not go on. docs/doctor.md has a line for each. */
export const causes = [
  'never-seen',
  'no-relay',
  'server-not-listening',
  'server-not-ready',
  'dhcp-off',
  'unknown-mac',
  'similar-mac-seen',
  'dhcp-disabled',
  'no-address',
  'not-answered',
  'other-dhcp-server',
  'offer-ignored',
  'ack-missing',
  'address-refused',
  'address-in-use',
  'relay-wrong',
  'off-link',
  'netboot-not-allowed',
  'no-boot-file',
  'unknown-arch',
  'wrong-arch-file',
  'file-missing',
  'file-unreadable',
  'tftp-no-request',
  'tftp-no-acks',
  'tftp-aborted',
  'loader-not-fetched',
  'loader-did-not-start',
  'secure-boot',
  'script-not-fetched',
  'kernel-not-fetched',
  'initramfs-not-fetched',
  'transfer-broken',
  'netboot-os-silent',
  'agent-silent',
  'agent-rejected',
  'agent-lost',
  'no-workflow',
  'workflow-disabled',
  'workflow-not-rendered',
  'workflow-other-agent',
  'workflow-failed',
  'workflow-timeout',
  'no-phone-home',
  'boot-loop',
] as const

export type CauseCode = (typeof causes)[number]

/** `at`: epoch ms of what was seen; missing for what is written in objects or settings */
export type Evidence = { at?: number; text: string }

/** `weight`: 0 to 100, how much speaks for it */
export type Finding = {
  cause: CauseCode
  weight: number
  title: string
  evidence: readonly Evidence[]
  /** what to do, the most likely help first */
  todo: readonly string[]
}
