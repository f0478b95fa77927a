import type { Mac } from '../../model/mac.ts'
import { describe } from '../describe.ts'
import { journeyOf } from '../journey.ts'
import type { Journey } from '../journey.ts'
import type { Stage } from '../stage.ts'
import { addressRules } from './address.ts'
import { afterRules } from './after.ts'
import { bootFileRules } from './boot-file.ts'
import type { Case, CauseCode, Evidence, Finding } from './case.ts'
import { loaderRules } from './loader.ts'
import { look } from './look.ts'
import type { Look, Step } from './look.ts'
import { netbootRules } from './netboot.ts'
import { unseenRules } from './unseen.ts'
import { waiting, workRules } from './work.ts'

/** `certain`: the server saw or knows it; `likely`: it fits what was seen; `possible`: it cannot be ruled out. */
export type Likelihood = 'certain' | 'likely' | 'possible'

export type Cause = {
  cause: CauseCode
  likelihood: Likelihood
  title: string
  evidence: readonly Evidence[]
  todo: readonly string[]
}

/** `under-way`: the next step is not overdue */
export type Diagnosis = {
  macs: readonly Mac[]
  /** `namespace/name` */
  hardware: string | null
  state: 'healthy' | 'under-way' | 'problem'
  /** the last thing that it reached; epoch ms */
  reached: { stage: Stage; at: number; text: string } | null
  expected: string | null
  /** most likely first */
  causes: readonly Cause[]
  journey: Journey
}

const rules = [
  ...unseenRules,
  ...addressRules,
  ...bootFileRules,
  ...loaderRules,
  ...netbootRules,
  ...workRules,
  ...afterRules,
]

const certain = 90
/** below this a finding is no trouble by itself */
const troubling = 50
const most = 6

/** Where a machine stands, what was to come next, and why it may not have come. */
export function diagnose(given: Case): Diagnosis {
  const seen = look(given)
  const found = rules.flatMap((rule) => rule(seen) ?? []).toSorted((a, b) => b.weight - a.weight)
  const isTrouble = (found[0]?.weight ?? 0) >= troubling
  const { metadata } = given.hardware ?? {}
  return {
    macs: given.macs,
    hardware: metadata ? `${metadata.namespace}/${metadata.name}` : null,
    state: isTrouble ? 'problem' : isUnderWay(seen) ? 'under-way' : 'healthy',
    reached: reached(seen),
    expected: expected(seen),
    causes: isTrouble ? found.slice(0, most).map(toCause) : [],
    journey: journeyOf(given.seen),
  }
}

function toCause({ weight, ...finding }: Finding): Cause {
  const likelihood = weight >= certain ? 'certain' : weight >= 70 ? 'likely' : 'possible'
  return { ...finding, likelihood }
}

const isUnderWay = (seen: Look): boolean => seen.boot.length > 0 || waiting(seen) !== undefined

const landmarks: readonly Stage[] = [
  'boot-disk',
  'agent-hello',
  'agent-lost',
  'workflow-started',
  'action-started',
  'action-ended',
  'workflow-ended',
  'metadata',
  'phone-home',
  'user-state',
]

function reached(seen: Look): Diagnosis['reached'] {
  const sign = (seen.boot.length > 0 && seen.sign) || seen.ever(landmarks)
  return sign ? { stage: sign.stage, at: sign.lastAt, text: describe(sign) } : null
}

/** What comes after each step. */
const next: Readonly<Record<Step, string>> = {
  nothing: 'a DHCP DISCOVER of its firmware',
  asked: 'an OFFER of this server',
  offered: 'its REQUEST for the address',
  requested: 'the ACK of this server',
  addressed: 'its request for the boot file',
  loader: 'the DISCOVER of iPXE',
  ipxe: 'its request for the iPXE script',
  script: 'its request for the kernel',
  kernel: 'its request for the initramfs',
  initramfs: 'the netboot OS asking for an address, then its agent',
  'netboot-os': 'the call of its agent',
}

function expected(seen: Look): string | null {
  if (seen.boot.length > 0) return next[seen.step]
  const last = seen.ever(landmarks)
  if (!last) return next.nothing
  if (last.stage === 'phone-home' || last.stage === 'user-state') return null
  if (last.stage === 'action-started') return `the end of action "${String(last.facts['action'] ?? '')}"`
  if (last.stage === 'workflow-ended') return 'the installed system: its address, its metadata, phone-home'
  if (last.stage === 'boot-disk' || last.stage === 'metadata') return 'the installed system'
  return waiting(seen) ? 'the next action of its Workflow' : 'a Workflow'
}
