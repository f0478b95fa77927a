import { join } from 'node:path'
import { stringify } from 'yaml'
import { namespace } from '../../src/lab/install.ts'
import type { Target } from '../../src/lab/install.ts'
import { projectDir } from '../../src/lab/scenario.ts'
import type { Lab } from '../../src/lab/scenario.ts'

const apiVersion = 'tinkerbell.org/v1alpha1'

/** Applies a shipped Template as it is, and creates a Workflow of its name for the machine. */
export async function orderShipped(
  lab: Lab,
  template: string,
  { name, mac }: Target,
  values: Readonly<Record<string, string>> = {},
): Promise<void> {
  await lab.cli('apply', '-f', join(projectDir, `workflows/${template}.yaml`))
  await workflow(lab, template, name, { device_1: mac, ...values })
}

/** Creates a Template with these actions, and a Workflow of its name for the machine. */
export async function order(
  lab: Lab,
  name: string,
  target: Target,
  actions: readonly object[],
): Promise<void> {
  const tasks = [{ name, worker: target.mac, actions }]
  const data = stringify({ version: '0.1', name, global_timeout: 3600, tasks })
  await lab.api.create({ apiVersion, kind: 'Template', metadata: { name, namespace }, spec: { data } })
  await workflow(lab, name, target.name, {})
}

const workflow = (lab: Lab, name: string, hardwareRef: string, hardwareMap: Record<string, string>) =>
  lab.api.create({
    apiVersion,
    kind: 'Workflow',
    metadata: { name, namespace },
    spec: { templateRef: name, hardwareRef, hardwareMap },
  })
