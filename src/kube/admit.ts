import type { BmcMachine } from '../model/bmc-machine.ts'
import { AppError, isCode } from '../model/error.ts'
import type { Fault } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import type { Secret } from '../model/secret.ts'
import type { Template } from '../model/template.ts'
import type { WorkflowRuleSet } from '../model/workflow-rule-set.ts'
import type { Workflow, WorkflowSpec } from '../model/workflow.ts'
import { sameJson } from '../store/json.ts'
import type { Store } from '../store/store.ts'

/** What is known elsewhere about the content of objects; what is left out is not checked. */
export type Admission = {
  /** @throws AppError Invalid whose faults are places in the text, `line:column` */
  checkTemplate?(text: string): void
  /** what is wrong with a rule of a WorkflowRuleSet; paths are places in the rule */
  ruleFaults?(rule: string): readonly Fault[]
  /** @throws AppError Invalid when the Template cannot be rendered, or what it renders to is no workflow */
  renderWorkflow?(input: { template: string; spec: WorkflowSpec; hardware: Hardware | undefined }): void
  /** whether a Workflow that cannot be rendered is refused (default) or stored, to be tried again and again */
  onRenderFailure?: 'reject' | 'accept'
}

/**
 * The object with the defaults that clients rely on. Cluster API Provider Tinkerbell passes
 * `metadata.instance.id` of a Hardware to its Workflow as the machine's id and needs it to be there: it is the MAC.
 */
export function withDefaults<T extends NewObject | KubeObject>(object: T): T {
  if (object.kind === 'Secret') return secretDefaults(object as T & Secret)
  if (object.kind !== 'Hardware') return object
  const { spec } = object as unknown as Hardware
  const mac = spec?.interfaces?.find(({ dhcp }) => dhcp?.mac)?.dhcp?.mac
  if (!mac || spec.metadata?.instance?.id) return object
  const instance = { ...spec.metadata?.instance, id: mac }
  return { ...object, spec: { ...spec, metadata: { ...spec.metadata, instance } } }
}

/** What is written as text is stored as data (core/v1 Secret). */
function secretDefaults<T extends Secret | NewObject>(secret: T & Secret): T {
  const { stringData, ...rest } = secret
  const type = secret.type || 'Opaque'
  if (stringData === undefined) return { ...rest, type } as unknown as T
  const texts = Object.entries(stringData).map(([key, text]) => [key, base64(text)] as const)
  return { ...rest, type, data: { ...secret.data, ...Object.fromEntries(texts) } } as unknown as T
}

/** What is no text is left for the schema to refuse. */
const base64 = (text: unknown) => (typeof text === 'string' ? Buffer.from(text).toString('base64') : text)

/** What a person should know about an object that is stored as it is. */
export function warningsOf(object: NewObject | KubeObject): string[] {
  if (object.kind === 'Machine') return machineWarnings(object as BmcMachine)
  if (object.kind !== 'Hardware') return []
  const { spec } = object as Hardware
  const nic = spec?.interfaces?.[0]
  const warnings: string[] = []
  if (!nic?.dhcp?.mac) warnings.push('spec.interfaces[0].dhcp.mac is empty: the machine cannot be recognised')
  else if (!nic.dhcp.ip?.address)
    warnings.push('spec.interfaces[0].dhcp.ip.address is empty: no address to give')
  if (!spec?.disks?.length) warnings.push('spec.disks is empty: there is no disk to install to')
  return warnings
}

/** `eksctl anywhere generate hardware` writes a Machine with an empty host for each row without a BMC. */
function machineWarnings({ spec }: BmcMachine): string[] {
  return spec?.connection?.host ? [] : ['spec.connection.host is empty: there is no BMC to reach']
}

/**
 * Checks what schemas cannot say. Of an update only what it changes is checked, so that labels and finalizers of an
 * older object can always be changed.
 * @throws AppError Invalid with every fault and its path
 */
export async function admit(
  { store, admission = {} }: { store: Pick<Store, 'get'>; admission?: Admission | undefined },
  next: NewObject | KubeObject,
  stored: KubeObject | undefined,
): Promise<void> {
  if (next.kind === 'Secret')
    return refuse('Secret', secretFaults(next as Secret, stored as Secret | undefined))
  if (stored && sameJson(stored.spec, next.spec)) return
  if (next.kind === 'Hardware') refuse('Hardware', hardwareFaults(next as Hardware))
  if (next.kind === 'WorkflowRuleSet')
    refuse('WorkflowRuleSet', ruleSetFaults(admission, next as WorkflowRuleSet))
  if (next.kind === 'Template') checkTemplate(admission, next as Template)
  if (next.kind === 'Workflow') await checkWorkflow(store, admission, next as Workflow)
}

function refuse(kind: string, faults: readonly Fault[]): void {
  if (faults.length > 0) throw new AppError('Invalid', `${kind} is invalid`, { faults })
}

/**
 * A Hardware that says nothing of its interfaces is a note of a machine, and one without disks or address can still be
 * booted. One with interfaces of which none has a MAC, or with an address block that has no address, is a mistake:
 * nothing would ever happen to it, and its clients stumble over it.
 */
function hardwareFaults({ spec }: Hardware): Fault[] {
  const interfaces = spec?.interfaces ?? []
  const faults = interfaces.flatMap(({ dhcp }, at): Fault[] => {
    const path = `spec.interfaces[${at}].dhcp.ip.address`
    const isMissing = dhcp?.ip !== undefined && !dhcp.ip.address
    return isMissing ? [{ path, message: 'Required value: an address block needs its address' }] : []
  })
  if (interfaces.length === 0 || interfaces.some(({ dhcp }) => dhcp?.mac)) return faults
  const message = 'Required value: no interface has a MAC, so the machine cannot be recognised'
  return [{ path: 'spec.interfaces[0].dhcp.mac', message }, ...faults]
}

function ruleSetFaults({ ruleFaults }: Admission, { spec }: WorkflowRuleSet): Fault[] {
  return (spec?.rules ?? []).flatMap((rule, at) =>
    (ruleFaults?.(rule) ?? []).map(({ path, message }) => ({
      path: `spec.rules[${at}]`,
      message: `Invalid value: ${path && `${path}: `}${message}`,
    })),
  )
}

function secretFaults(next: Secret, stored: Secret | undefined): Fault[] {
  if (!stored) return []
  const faults: Fault[] = []
  if (next.type !== stored.type) faults.push({ path: 'type', message: 'Invalid value: field is immutable' })
  if (stored.immutable !== true) return faults
  const message = 'Forbidden: field is immutable when `immutable` is set'
  if (next.immutable !== true) faults.push({ path: 'immutable', message })
  if (!sameJson(next.data ?? {}, stored.data ?? {})) faults.push({ path: 'data', message })
  return faults
}

function checkTemplate({ checkTemplate: check }: Admission, { spec }: Template): void {
  const text = spec?.data
  if (text !== undefined) attempt(() => check?.(text), 'spec.data')
}

/** A Workflow may come before its Template and its Hardware: it is rendered once both are there. */
async function checkWorkflow(
  store: Pick<Store, 'get'>,
  { renderWorkflow: render, onRenderFailure = 'reject' }: Admission,
  { metadata: { namespace }, spec = {} }: Workflow,
): Promise<void> {
  if (!render || onRenderFailure === 'accept' || spec.disabled === true) return
  const { templateRef, hardwareRef } = spec
  if (!templateRef) return
  const template = (await store.get({ kind: 'Template', namespace, name: templateRef })) as
    | Template
    | undefined
  const hardware = hardwareRef
    ? ((await store.get({ kind: 'Hardware', namespace, name: hardwareRef })) as Hardware | undefined)
    : undefined
  if (!template || (hardwareRef && !hardware)) return
  attempt(() => render({ template: template.spec?.data ?? '', spec, hardware }), 'spec.templateRef')
}

/** Faults of a text become faults of the field that holds or names it. */
function attempt(check: () => void, path: string): void {
  try {
    check()
  } catch (error) {
    if (!isCode(error, 'Invalid')) throw error
    const faults = error.faults.map((fault) => ({ path, message: `${fault.path}: ${fault.message}` }))
    const all = faults.length > 0 ? faults : [{ path, message: error.message }]
    throw new AppError('Invalid', error.message, { cause: error, faults: all })
  }
}
