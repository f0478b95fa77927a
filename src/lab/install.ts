import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { AppError } from '../model/error.ts'
import type { NewObject } from '../model/object.ts'
import type { Workflow } from '../model/workflow.ts'
import type { Lab } from './scenario.ts'
import { projectDir } from './scenario.ts'
import type { Progress } from './story.ts'

/** A machine to be installed; `last` is the last part of its address. */
export type Target = { name: string; mac: string; last: number }

/** Where EKS Anywhere keeps its Hardware, and an imported CSV is put. */
export const namespace = 'eksa-system'

const image = 'debian-12.raw.zst'

/** The inventory as EKS Anywhere writes it, for machines without a BMC. */
export function inventoryCsv(lab: Pick<Lab, 'network'>, targets: readonly Target[]): string {
  const { network } = lab
  const rows = targets.map(({ name, mac, last }) =>
    [
      name,
      mac,
      network.host(last),
      '255.255.255.0',
      network.address,
      network.address,
      'type=demo',
      '/dev/vda',
    ].join(),
  )
  return ['hostname,mac,ip_address,netmask,gateway,nameservers,labels,disk', ...rows, ''].join('\n')
}

/** cloud-init's user data: the installed system says that it is up, under the name that its metadata gave it. */
export const userData = (address: string): string =>
  `#cloud-config
phone_home:
  url: http://${address}:7172/phone-home
  post: [instance_id, hostname]
  tries: 5
`

/** Imports the machines, and gives each its user data. @returns what the import said */
export async function importMachines(lab: Lab, targets: readonly Target[]): Promise<string> {
  const path = join(lab.dir, 'hardware.csv')
  writeFileSync(path, inventoryCsv(lab, targets))
  const said = await lab.cli('hardware', 'import', path)
  for (const { name } of targets)
    await lab.api.patch('Hardware', namespace, name, { spec: { userData: userData(lab.network.address) } })
  return said.trim()
}

/**
 * The example to install by: `ubuntu` is as EKS Anywhere writes it (EC2 metadata, ends with a restart), `debian-cloud` has
 * NoCloud metadata and ends with kexec.
 */
export type Example = 'ubuntu' | 'debian-cloud'

/** Creates the Template and, for each machine, a Workflow of its name. */
export async function createWorkflows(
  lab: Lab,
  targets: readonly Target[],
  example: Example = 'ubuntu',
): Promise<void> {
  const template = exampleTemplate(example)
  await lab.api.create({ ...template, metadata: { ...template.metadata, namespace } })
  for (const { name, mac } of targets)
    await lab.api.create({
      apiVersion: 'tinkerbell.org/v1alpha1',
      kind: 'Workflow',
      metadata: { name, namespace },
      spec: {
        templateRef: template.metadata.name,
        hardwareRef: name,
        hardwareMap: workflowValues(lab, mac),
      },
    })
}

/** Where the disk image is, and its checksum. */
export const imageOf = (lab: Lab): { url: string; sha256: string } => ({
  url: `http://${lab.network.address}:7171/images/${image}`,
  sha256: readFileSync(join(lab.imageDir, `${image}.sha256`), 'utf8').slice(0, 64),
})

/** What the Template asks for besides the Hardware. */
function workflowValues(lab: Lab, mac: string): Record<string, string> {
  const { address } = lab.network
  const { url, sha256 } = imageOf(lab)
  return {
    device_1: mac,
    image_url: url,
    image_sha256: sha256,
    metadata_url: `http://${address}:7172`,
    root_partition: '3',
  }
}

function exampleTemplate(example: Example): NewObject {
  const path = join(projectDir, `workflows/${example}.yaml`)
  const documents = parseAllDocuments(readFileSync(path, 'utf8')).map(
    (document) => document.toJS() as NewObject,
  )
  const template = documents.find((document) => document?.kind === 'Template')
  if (!template) throw new AppError('NotFound', `${path} holds no Template`)
  return template
}

export const workflowOf = (lab: Lab, name: string): Promise<Workflow> =>
  lab.api.get('Workflow', namespace, name)

/** How far those actions have come that run and move bytes. */
export async function progressOf(lab: Lab, name: string): Promise<Progress[]> {
  const { actions } = (await lab.api.request(
    'GET',
    `/ironwake/v1/workflows/${namespace}/${name}/progress`,
  )) as {
    actions: { name: string; state: string; doneBytes?: number; totalBytes?: number }[]
  }
  return actions.flatMap(({ name: action, state, doneBytes, totalBytes = 0 }) =>
    state === 'RUNNING' && doneBytes !== undefined ? [{ action, done: doneBytes, total: totalBytes }] : [],
  )
}
