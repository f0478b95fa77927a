import type { Command } from 'commander'
import type { Hardware } from '../model/hardware.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import type { Template } from '../model/template.ts'
import type { Workflow } from '../model/workflow.ts'
import type { Client } from './client.ts'
import { placeOf, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { failureOf } from './failure.ts'
import { hasEnded, workflowFrom } from './outcome.ts'
import { dataText } from './output.ts'
import { collectPair, mapOf, valuesOf } from './template-input.ts'

type CreateOptions = ConnectOptions & {
  template: string
  hardware: string
  set?: Record<string, string>
  values?: string
  namespace?: string
  dryRun?: boolean
  allowNonHermetic?: boolean
  output: 'text' | 'json' | 'yaml'
}

/** `workflow create`. */
export function createCommand(workflow: Command, deps: CliDeps): void {
  const create = workflow
    .command('create <name>')
    .description('install a machine: run a Template on a Hardware; with --dry-run only say what would happen')
    .requiredOption('-t, --template <name>', 'Template on the server')
    .requiredOption('--hardware <name>', 'Hardware on the server')
    .option('--set <key=value>', 'a value of hardwareMap; may be given several times', collectPair)
    .option('--values <file>', 'values of hardwareMap as YAML; --set goes before them')
    .option('-n, --namespace <name>', 'namespace of all three (default: that of the kubeconfig)')
    .option(
      '--dry-run',
      'let the server check the Workflow, say what it would do to which disk, store nothing',
    )
    .option('--allow-non-hermetic', 'for --dry-run, as on a server with templates.allowNonHermetic')
    .action((name: string, options: CreateOptions) => createWorkflow(name, options, deps))
  withExamples(
    withOutput(withConnection(create), 'text', 'json', 'yaml'),
    'workflow create install-1 -t debian-cloud --hardware machine-1 --set image_url=http://10.0.0.1/a.zst --dry-run',
    'workflow create eksa-system/install-1 -t debian-cloud --hardware machine-1 --values values.yaml',
    'workflow create install-1 -t debian-cloud --hardware machine-1 --dry-run -o yaml',
  ).addHelpText(
    'after',
    '\ndevice_1 is the agent of the Hardware (spec.agentID, else its first MAC) unless --set says otherwise.',
  )
}

async function createWorkflow(text: string, options: CreateOptions, deps: CliDeps): Promise<void> {
  const values = { ...(await valuesOf(options.values, deps)), ...options.set }
  await withClient(options, deps, async (client) => {
    const { namespace, name } = placeOf(text, options.namespace ?? client.namespace)
    const hardware = (await client.get('Hardware', namespace, options.hardware)) as unknown as Hardware
    const template = (await client.get('Template', namespace, options.template)) as unknown as Template
    const hardwareMap = mapOf(hardware, values)
    const object = workflowObject(namespace, name, options, hardwareMap)
    const report = options.dryRun
      ? await rehearsed(client, { template, hardware, hardwareMap }, options, deps)
      : ''
    const made = await sent(client, object, options.dryRun === true)
    if (options.output !== 'text') deps.stdout.write(await dataText(options.output, made))
    else if (options.dryRun) deps.stdout.write(`workflow ${namespace}/${name} would be created\n\n${report}`)
    else
      deps.stdout.write(
        `workflow ${namespace}/${name} created; follow it with: workflow watch ${namespace}/${name}\n`,
      )
  })
}

function workflowObject(
  namespace: string,
  name: string,
  { template, hardware }: CreateOptions,
  hardwareMap: Readonly<Record<string, string>>,
): NewObject {
  return {
    apiVersion: 'tinkerbell.org/v1alpha1',
    kind: 'Workflow',
    metadata: { name, namespace },
    spec: { templateRef: template, hardwareRef: hardware, hardwareMap },
  } as NewObject
}

async function sent(client: Client, object: NewObject, isDry: boolean): Promise<KubeObject> {
  const path = await client.path('Workflow', object.metadata.namespace)
  const answer = await client.request('POST', path + (isDry ? '?dryRun=All' : ''), object)
  if (answer.status !== 201) throw failureOf(answer)
  return answer.json as KubeObject
}

type Parts = { template: Template; hardware: Hardware; hardwareMap: Readonly<Record<string, string>> }

/** What would happen, in words; a template that fails is shown with its place. */
async function rehearsed(
  client: Client,
  { template, hardware, hardwareMap }: Parts,
  options: CreateOptions,
  deps: CliDeps,
): Promise<string> {
  const { documentOf, renderedText } = await import('./template-render.ts')
  const { rehearsalText } = await import('./rehearsal.ts')
  const { namespace, name } = template.metadata
  const title = `Template ${namespace}/${name}`
  const text = await renderedText(
    { name: title, text: template.spec?.data ?? '' },
    hardware,
    hardwareMap,
    options,
    deps,
  )
  const document = documentOf(title, text)
  const others = (await client.list('Workflow', { namespace })).map(workflowFrom)
  const isRival = (other: Workflow) => other.spec?.hardwareRef === hardware.metadata.name && !hasEnded(other)
  return rehearsalText({ document, hardware, rivals: others.filter(isRival) })
}
