import type { Command } from 'commander'
import type { Workflow } from '../model/workflow.ts'
import { madeOf } from '../model/workflow-again.ts'
import { placeOf, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { logsCommand } from './logs.ts'
import { hasEnded, reasonOf, workflowFrom } from './outcome.ts'
import { dataText, plainText, textTable } from './output.ts'
import { watchCommand } from './watch.ts'
import { controlCommands } from './workflow-control.ts'
import { createCommand } from './workflow-create.ts'
import { conditionOf, turnOf, turnsOf, workflowTable } from './workflow-row.ts'

type ListOptions = ConnectOptions & {
  namespace?: string
  selector?: string
  output: 'table' | 'json' | 'yaml'
}
type ShowOptions = ConnectOptions & { namespace?: string; output: 'text' | 'json' | 'yaml' }

/** `workflow list`, `show`, `create`, `watch`, `logs`, and what steers one that runs. */
export function workflowCommands(program: Command, deps: CliDeps): void {
  const workflow = program
    .command('workflow')
    .alias('wf')
    .description('installations: which run, how far they are, what they printed')
  withExamples(workflow, 'workflow list', 'workflow watch install-1', 'workflow logs install-1 --follow')
  const list = workflow
    .command('list')
    .alias('ls')
    .description('workflows of all namespaces, with the action that each is at')
    .option('-n, --namespace <name>', 'only this namespace')
    .option('-l, --selector <labels>', 'only workflows with these labels')
    .action((options: ListOptions) => listWorkflows(options, deps))
  withExamples(
    withOutput(withConnection(list), 'table', 'json', 'yaml'),
    'workflow list',
    'workflow list -n eksa-system -o json',
  )
  const show = workflow
    .command('show <name>')
    .alias('get')
    .description('one workflow with its actions; <name> is "name" or "namespace/name"')
    .option('-n, --namespace <name>', 'namespace (default: that of the kubeconfig)')
    .action((name: string, options: ShowOptions) => showWorkflow(name, options, deps))
  withExamples(
    withOutput(withConnection(show), 'text', 'json', 'yaml'),
    'workflow show eksa-system/install-1',
    'workflow show install-1 -n eksa-system -o yaml',
  )
  createCommand(workflow, deps)
  watchCommand(workflow, deps)
  logsCommand(workflow, deps)
  controlCommands(workflow, deps)
}

async function listWorkflows(options: ListOptions, deps: CliDeps): Promise<void> {
  const { namespace, selector: labelSelector, output } = options
  const { items, turns } = await withClient(options, deps, async (client) => {
    const sent = await client.list('Workflow', { namespace, labelSelector })
    const isTable = output === 'table' && sent.length > 0
    return { items: sent.map(workflowFrom), turns: isTable ? await turnsOf(client, namespace) : undefined }
  })
  if (output !== 'table') {
    const list = { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'WorkflowList', items }
    deps.stdout.write(await dataText(output, list))
  } else if (items.length === 0) deps.stderr.write('no workflows found\n')
  else deps.stdout.write(workflowTable(items, turns))
}

async function showWorkflow(text: string, options: ShowOptions, deps: CliDeps): Promise<void> {
  const { workflow, turn } = await withClient(options, deps, async (client) => {
    const { namespace, name } = placeOf(text, options.namespace ?? client.namespace)
    const found = workflowFrom(await client.get('Workflow', namespace, name))
    const isText = options.output === 'text'
    return { workflow: found, turn: isText ? turnOf(found, await turnsOf(client, namespace)) : undefined }
  })
  if (options.output !== 'text') deps.stdout.write(await dataText(options.output, workflow))
  else deps.stdout.write(workflowText(workflow, turn))
}

function workflowText(workflow: Workflow, turn: string | undefined): string {
  const { metadata, spec, status } = workflow
  const isBad = !status?.state || (hasEnded(workflow) && status.state !== 'SUCCESS')
  const facts: [string, string | undefined][] = [
    ['Workflow', `${metadata.namespace}/${metadata.name}`],
    ['State', status?.state || 'not planned yet'],
    ['Reason', isBad ? reasonOf(workflow) : undefined],
    ['Paused', conditionOf(workflow, 'Paused')],
    ['Silent', conditionOf(workflow, 'AgentSilent')],
    ['Queue', turn],
    ['Retry of', metadata.annotations?.[madeOf.retry]],
    ['Run of', metadata.annotations?.[madeOf.restart]],
    ['Template', spec?.templateRef],
    ['Hardware', spec?.hardwareRef],
    ['Agent', status?.agentID],
    ['Rendering', status?.templateRendering],
  ]
  const head = facts.flatMap(([name, value]) =>
    value ? [`${`${name}:`.padEnd(11)}${plainText(value)}\n`] : [],
  )
  const rows = (status?.tasks ?? []).flatMap((task) =>
    task.actions.map((action) => [
      task.name,
      action.name,
      action.state,
      action.executionDuration ?? '-',
      action.message ?? '',
    ]),
  )
  const table =
    rows.length === 0 ? '' : `\n${textTable(['TASK', 'ACTION', 'STATE', 'TIME', 'MESSAGE'], rows)}`
  return head.join('') + table
}
