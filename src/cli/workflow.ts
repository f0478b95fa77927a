import type { Command } from 'commander'
import type { KubeObject } from '../model/object.ts'
import type { ActionStatus, Workflow } from '../model/workflow.ts'
import type { Client } from './client.ts'
import { CommandFailed, placeOf, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { dataText, plainText, textTable } from './output.ts'

type ListOptions = ConnectOptions & {
  namespace?: string
  selector?: string
  output: 'table' | 'json' | 'yaml'
}
type ShowOptions = ConnectOptions & { namespace?: string; output: 'text' | 'json' | 'yaml' }

/** `workflow list`, `workflow show` and `workflow watch`. */
export function workflowCommands(program: Command, deps: CliDeps): void {
  const workflow = program
    .command('workflow')
    .alias('wf')
    .description('installations: which run, and how far they are')
  withExamples(workflow, 'workflow list', 'workflow watch install-1')
  const list = workflow
    .command('list')
    .alias('ls')
    .description('workflows of all namespaces')
    .option('-n, --namespace <name>', 'only this namespace')
    .option('-l, --selector <labels>', 'only workflows with these labels')
    .action((options: ListOptions) => listWorkflows(options, deps))
  withExamples(
    withOutput(withConnection(list), 'table', 'json', 'yaml'),
    'workflow list',
    'workflow list -o json',
  )
  const show = workflow
    .command('show <name>')
    .description('one workflow with its actions ("name" or "namespace/name")')
    .option('-n, --namespace <name>', 'namespace (default: that of the kubeconfig)')
    .action((name: string, options: ShowOptions) => showWorkflow(name, options, deps))
  withExamples(
    withOutput(withConnection(show), 'text', 'json', 'yaml'),
    'workflow show eksa-system/install-1',
  )
  const watch = workflow
    .command('watch <name>')
    .description('follow one workflow to its end; the exit code says whether it succeeded')
    .option('-n, --namespace <name>', 'namespace (default: that of the kubeconfig)')
    .action((name: string, options: ShowOptions) => watchWorkflow(name, options, deps))
  withExamples(
    withOutput(withConnection(watch), 'text', 'json'),
    'workflow watch install-1 -n eksa-system',
    'workflow watch eksa-system/install-1 && echo installed',
  )
}

async function listWorkflows(options: ListOptions, deps: CliDeps): Promise<void> {
  const { namespace, selector: labelSelector, output } = options
  const items = await withClient(options, deps, (client) =>
    client.list('Workflow', { namespace, labelSelector }),
  )
  if (output !== 'table') {
    const list = { apiVersion: 'tinkerbell.org/v1alpha1', kind: 'WorkflowList', items }
    deps.stdout.write(await dataText(output, list))
  } else if (items.length === 0) deps.stderr.write('no workflows found\n')
  else {
    const headers = ['NAMESPACE', 'NAME', 'STATE', 'TEMPLATE', 'HARDWARE', 'ACTION', 'DONE']
    deps.stdout.write(textTable(headers, items.map(workflowRow)))
  }
}

const actionsOf = (workflow: Workflow): ActionStatus[] =>
  (workflow.status?.tasks ?? []).flatMap((task) => task.actions)

function workflowRow(object: KubeObject): string[] {
  const workflow = object as Workflow
  const { metadata, spec, status } = workflow
  const actions = actionsOf(workflow)
  const done = actions.filter(({ state }) => state === 'SUCCESS').length
  return [
    metadata.namespace,
    metadata.name,
    status?.state ?? '-',
    spec?.templateRef ?? '-',
    spec?.hardwareRef ?? '-',
    status?.currentState?.actionName ?? '-',
    actions.length === 0 ? '-' : `${done}/${actions.length}`,
  ]
}

async function showWorkflow(text: string, options: ShowOptions, deps: CliDeps): Promise<void> {
  const workflow = await withClient(options, deps, (client) => {
    const { namespace, name } = placeOf(text, options.namespace ?? client.namespace)
    return client.get('Workflow', namespace, name)
  })
  if (options.output !== 'text') deps.stdout.write(await dataText(options.output, workflow))
  else deps.stdout.write(workflowText(workflow as Workflow))
}

function workflowText(workflow: Workflow): string {
  const { metadata, spec, status } = workflow
  const facts: [string, string | undefined][] = [
    ['Workflow', `${metadata.namespace}/${metadata.name}`],
    ['State', status?.state ?? 'not planned yet'],
    ['Template', spec?.templateRef],
    ['Hardware', spec?.hardwareRef],
    ['Agent', status?.agentID],
    ['Rendering', status?.templateRendering],
  ]
  const head = facts.flatMap(([name, value]) =>
    value ? [`${`${name}:`.padEnd(11)}${plainText(value)}\n`] : [],
  )
  const failed = (status?.conditions ?? []).filter(({ type, message }) => message && /Fail/.test(type))
  const conditions = failed.map(({ type, message }) => `${type}: ${plainText(message ?? '')}\n`)
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
  return head.join('') + conditions.join('') + table
}

async function watchWorkflow(text: string, options: ShowOptions, deps: CliDeps): Promise<void> {
  const last = await withClient(options, deps, async (client) => {
    const { namespace, name } = placeOf(text, options.namespace ?? client.namespace)
    return followWorkflow(client, { namespace, name }, options.output === 'json', deps)
  })
  if (deps.signal.aborted || last === undefined) return
  const state = last.status?.state
  if (state !== 'SUCCESS') throw new CommandFailed(`workflow ended with ${state ?? 'no state'}`)
}

const ended = ['SUCCESS', 'FAILED', 'TIMEOUT']

/** Prints every change until the end of the workflow; a watch that the server ends is opened again where it ended. */
async function followWorkflow(
  client: Client,
  place: { namespace: string; name: string },
  asJson: boolean,
  deps: CliDeps,
): Promise<Workflow | undefined> {
  let last = (await client.get('Workflow', place.namespace, place.name)) as Workflow
  print(undefined, last, asJson, deps)
  const collection = await client.path('Workflow', place.namespace)
  const stop = new AbortController()
  const onAbort = () => stop.abort()
  deps.signal.addEventListener('abort', onAbort)
  try {
    while (!ended.includes(last.status?.state ?? '') && !stop.signal.aborted) {
      const since = last.metadata.resourceVersion
      const query = `watch=true&resourceVersion=${since}&fieldSelector=metadata.name%3D${encodeURIComponent(place.name)}`
      const onEvent = (event: unknown) => {
        const { type, object } = event as { type: string; object: Workflow }
        if (type === 'DELETED')
          throw new CommandFailed(`workflow ${place.namespace}/${place.name} was deleted`)
        if (type !== 'ADDED' && type !== 'MODIFIED') return
        print(last, object, asJson, deps)
        last = object
        if (ended.includes(object.status?.state ?? '')) stop.abort()
      }
      await client.watch(`${collection}?${query}`, onEvent, stop.signal)
      if (stop.signal.aborted) break
      await new Promise((resolve) => setTimeout(resolve, 200))
      const newest = (await client.get('Workflow', place.namespace, place.name)) as Workflow
      print(last, newest, asJson, deps)
      last = newest
    }
  } finally {
    deps.signal.removeEventListener('abort', onAbort)
  }
  return last
}

/** What changed between two states of one workflow, a line for each. */
function print(before: Workflow | undefined, after: Workflow, asJson: boolean, deps: CliDeps): void {
  if (before?.metadata.resourceVersion === after.metadata.resourceVersion) return
  if (asJson) {
    deps.stdout.write(`${JSON.stringify(after)}\n`)
    return
  }
  for (const line of changesOf(before, after)) deps.stdout.write(`${timeText(deps.now())}  ${line}\n`)
}

function changesOf(before: Workflow | undefined, after: Workflow): string[] {
  const known = new Map((before ? actionsOf(before) : []).map((action) => [action.id, action.state]))
  const actions = actionsOf(after)
  const lines = actions.flatMap((action, index) => {
    if (action.state === (known.get(action.id) ?? 'PENDING')) return []
    const time = action.executionDuration ? ` after ${action.executionDuration}` : ''
    const message = action.message ? `: ${plainText(action.message)}` : ''
    return [`[${index + 1}/${actions.length}] ${plainText(action.name)}: ${action.state}${time}${message}`]
  })
  const state = after.status?.state
  if (state !== before?.status?.state || !before)
    lines.push(`workflow ${after.metadata.name}: ${state ?? 'not planned yet'}`)
  return lines
}

/** Local time of day, `14:03:59`. */
export function timeText(at: number): string {
  const date = new Date(at)
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()]
  return parts.map((part) => String(part).padStart(2, '0')).join(':')
}
