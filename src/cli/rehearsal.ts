import type { Hardware } from '../model/hardware.ts'
import { machinesOf } from '../model/machine.ts'
import type { Workflow } from '../model/workflow.ts'
import type { TemplateAction, TemplateDocument, TemplateTask } from '../workflow/document.ts'
import { defaultActionTimeoutSeconds } from '../workflow/plan.ts'
import { plainText, textTable } from './output.ts'
import { effectOf, targetsOf } from './target-disk.ts'
import type { Target } from './target-disk.ts'
import { agentOf } from './template-input.ts'

export type Rehearsal = {
  document: TemplateDocument
  hardware: Hardware
  /** Workflows of the same machine that have not ended */
  rivals: readonly Workflow[]
}

/** What a Workflow would do: to which machine, on which disk, action by action, and what speaks against it. */
export function rehearsalText({ document, hardware, rivals }: Rehearsal): string {
  const disks = (hardware.spec?.disks ?? []).flatMap(({ device }) => device ?? [])
  const rows = document.tasks.flatMap((task) => task.actions.map((action) => rowOf(task, action, disks)))
  const cautions = [
    ...machineCautions(hardware),
    ...workerCautions(document, hardware),
    ...diskCautions(document, disks),
    ...rivals.map((rival) => `${rival.metadata.name} of the same machine has not ended (${stateOf(rival)})`),
  ]
  return [
    ...factLines(hardware, disks, hitDisks(document, disks)),
    '',
    textTable(['TASK', 'ACTION', 'IMAGE', 'AT MOST', 'DEVICE', 'WHAT HAPPENS TO IT'], rows).trimEnd(),
    ...(cautions.length === 0 ? [] : ['', ...cautions.map((text) => `caution: ${plainText(text)}`)]),
    '',
    'Nothing was stored. Without --dry-run the Workflow is created, and the machine does this when it next boots from the network.',
    '',
  ].join('\n')
}

const stateOf = ({ status }: Workflow) => status?.state || 'not planned yet'

function factLines(hardware: Hardware, disks: readonly string[], hit: ReadonlySet<string>): string[] {
  const { namespace, name } = hardware.metadata
  const nics = machinesOf(hardware).map(({ mac, ip }) => (ip === undefined ? mac : `${mac} ${ip}`))
  const shown = disks.map((disk) => (hit.has(disk) ? `${disk} (used)` : `${disk} (not touched)`))
  const facts: [string, string][] = [
    ['Machine', `${namespace}/${name}`],
    ['Interfaces', nics.join(', ') || 'none'],
    ['Disks', shown.join(', ') || 'the Hardware names none'],
  ]
  return facts.map(([title, text]) => `${`${title}:`.padEnd(12)}${plainText(text)}`)
}

function rowOf(task: TemplateTask, action: TemplateAction, disks: readonly string[]): string[] {
  const targets = targetsOf(task, action, disks)
  const effect = targets.length === 0 ? '-' : (effectOf(action.image) ?? 'not known')
  return [
    task.name,
    action.name,
    action.image,
    durationText(action.timeoutSeconds ?? defaultActionTimeoutSeconds),
    targets.map(({ device }) => device).join(' ') || '-',
    effect,
  ]
}

function durationText(seconds: number): string {
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`
}

function allTargets({ tasks }: TemplateDocument, disks: readonly string[]): Target[] {
  return tasks.flatMap((task) => task.actions.flatMap((action) => targetsOf(task, action, disks)))
}

function hitDisks(document: TemplateDocument, disks: readonly string[]): Set<string> {
  return new Set(allTargets(document, disks).flatMap(({ disk }) => disk ?? []))
}

function diskCautions(document: TemplateDocument, disks: readonly string[]): string[] {
  const targets = allTargets(document, disks)
  if (targets.length === 0) return ['no action names a disk']
  const strange = new Set(targets.filter(({ disk }) => disk === undefined).map(({ device }) => device))
  const known = disks.join(', ') || 'none'
  return [...strange].map((device) => `${device} is on no disk of the Hardware (${known})`)
}

function machineCautions(hardware: Hardware): string[] {
  const nics = hardware.spec?.interfaces ?? []
  if (nics.length === 0) return ['the Hardware has no interface: the machine cannot boot from the network']
  const isAllowed = nics.some(({ netboot }) => netboot?.allowPXE === true)
  const canWork = nics.some(({ netboot }) => netboot?.allowWorkflow !== false)
  return [
    ...(isAllowed ? [] : ['no interface has netboot.allowPXE: the machine does not boot the installer']),
    ...(canWork ? [] : ['netboot.allowWorkflow is false on every interface']),
  ]
}

function workerCautions({ tasks }: TemplateDocument, hardware: Hardware): string[] {
  const own = new Set([agentOf(hardware), ...machinesOf(hardware).map(({ mac }) => mac)])
  return tasks
    .filter(({ worker }) => !own.has(worker) && !own.has(worker.toLowerCase()))
    .map(({ name, worker }) => `task ${name} waits for agent ${worker}, which is not this machine`)
}
