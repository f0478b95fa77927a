import type { Mac } from '../model/mac.ts'

/**
 * The stages of a machine's way from power-on to its installed system, in the order in which they are expected.
 * `silent` and the `…-failed` stages say why a machine does not go on; their facts hold `why`. `syslog`, which comes at
 * any time, is kept apart from the others and so takes no room from them. docs/timeline.md has a line for each.
 */
export const stages = [
  'dhcp-discover',
  'dhcp-offer',
  'dhcp-request',
  'dhcp-ack',
  'dhcp-nak',
  'dhcp-silent',
  'tftp-read',
  'tftp-failed',
  'http-failed',
  'boot-file',
  'boot-script',
  'boot-disk',
  'kernel',
  'initramfs',
  'agent-hello',
  'agent-rejected',
  'agent-lost',
  'discovered',
  'enrolled',
  'not-enrolled',
  'image-waits',
  'image',
  'workflow-started',
  'action-started',
  'action-ended',
  'workflow-ended',
  'metadata',
  'phone-home',
  'user-state',
  'syslog',
] as const

export type Stage = (typeof stages)[number]

/** What is known about a stage. Never secrets, never unbounded text. */
export type Facts = Readonly<Record<string, string | number | boolean>>

export type TimelineEntry = {
  /** epoch ms of the first occurrence */
  at: number
  /** epoch ms of the last one, when the same stage came again with the same facts */
  lastAt: number
  count: number
  stage: Stage
  facts: Facts
}

/**
 * Notes a stage of the machine with this MAC. Never throws, never waits. Facts that are frozen and come again as the same
 * object are noted with the least work.
 */
export type RecordStage = (mac: Mac, stage: Stage, facts?: Facts) => void
