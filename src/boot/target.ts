import { ownerNameLabel } from '../model/hardware.ts'
import type { Machine } from '../model/machine.ts'
import type { Workflow } from '../model/workflow.ts'

/** Set by Cluster API Provider Tinkerbell once the machine it owns has its operating system. */
export const provisionedAnnotation = 'v1alpha1.tinkerbell.org/provisioned'

/** What a machine boots, and why. `thenAgent`: when no disk boots, the netboot OS follows and waits there for work. */
export type BootTarget =
  | { kind: 'agent'; why: 'workflow-waits'; workflow: string }
  | { kind: 'custom'; why: 'ipxe-url' | 'instance-script'; url: string }
  | { kind: 'custom'; why: 'ipxe-contents' | 'instance-userdata'; contents: string }
  | {
      kind: 'disk'
      why: 'netboot-not-allowed' | 'installed' | 'nothing-to-do' | 'unknown-machine'
      thenAgent: boolean
    }

/** What is known about a machine when it asks; `workflows`: all of its Hardware, oldest first. */
export type TargetFacts = {
  machine: Machine
  workflows: readonly Workflow[]
  labels: Readonly<Record<string, string>> | undefined
  annotations: Readonly<Record<string, string>> | undefined
}

const waitingStates: readonly string[] = ['', 'PREPARING', 'PENDING', 'RUNNING']

/**
 * What this machine should boot now. A Workflow that has ended, however it ended, never starts the netboot OS: a
 * failed installation is repeated by a new Workflow only. The netboot OS behind a disk that does not boot is for
 * machines that never had a Workflow: a new, blank one without a BMC must be reachable when its first Workflow comes.
 * A script that `metadata.instance` names, or that its user data is, comes after Workflows: every time with `always_pxe`, else until somebody says
 * that the machine is installed (`state: active`, or the mark of Cluster API) or gives it a Workflow.
 */
export function bootTarget(facts: TargetFacts): BootTarget {
  const { machine, workflows } = facts
  if (!machine.allowPxe) return { kind: 'disk', why: 'netboot-not-allowed', thenAgent: false }
  if (machine.ipxe.url) return { kind: 'custom', why: 'ipxe-url', url: machine.ipxe.url }
  if (machine.ipxe.contents) return { kind: 'custom', why: 'ipxe-contents', contents: machine.ipxe.contents }
  const waiting = workflows.find(waitsForMachine)
  if (waiting) {
    const { namespace, name } = waiting.metadata
    return { kind: 'agent', why: 'workflow-waits', workflow: `${namespace}/${name}` }
  }
  const { alwaysPxe, isActive } = machine.instance
  const script = instanceScript(machine)
  if (script && alwaysPxe) return script
  const provisioned = isProvisioned(facts)
  if (script && !isActive && !provisioned && workflows.length === 0) return script
  const installed = provisioned || workflows.at(-1)?.status?.state === 'SUCCESS'
  return {
    kind: 'disk',
    why: installed ? 'installed' : 'nothing-to-do',
    thenAgent: workflows.length === 0 && !provisioned,
  }
}

function instanceScript({ instance }: Machine): BootTarget | undefined {
  const { scriptUrl, scriptText } = instance
  if (scriptUrl) return { kind: 'custom', why: 'instance-script', url: scriptUrl }
  return scriptText ? { kind: 'custom', why: 'instance-userdata', contents: scriptText } : undefined
}

/** Not yet ended, and not in POST, where the machine's part is done. A disabled one waits only once it runs. */
function waitsForMachine(workflow: Workflow): boolean {
  const state = workflow.status?.state ?? ''
  if (workflow.spec?.disabled === true && state !== 'RUNNING') return false
  return waitingStates.includes(state)
}

function isProvisioned({ labels, annotations }: TargetFacts): boolean {
  return Boolean(labels?.[ownerNameLabel]) && annotations?.[provisionedAnnotation] === 'true'
}
