import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { AppError } from '../model/error.ts'
import type { Workflow } from '../model/workflow.ts'
import type { Client } from './client.ts'
import { failureOf } from './failure.ts'
import { placeOf, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { actionsOf, hasEnded, titleOf, workflowFrom } from './outcome.ts'
import type { PlacedAction } from './outcome.ts'
import { localText, plainText } from './output.ts'
import { createPatience, isAway } from './patience.ts'

type Options = ConnectOptions & {
  action?: string
  follow?: boolean
  namespace?: string
  since: number
  output: 'text' | 'json'
}

/** After a stream that the server ended, ms. */
const pauseMs = 200

/** `workflow logs`: what the actions printed. */
export function logsCommand(workflow: Command, deps: CliDeps): void {
  const logs = workflow
    .command('logs <name>')
    .summary('what the actions of a workflow printed')
    .description(
      'what the actions of a workflow ("name" or "namespace/name") printed; the server keeps the newest 2000 lines of each',
    )
    .option('-a, --action <name>', 'only this action, by name or id')
    .option('-f, --follow', 'go on with what they print next, until the workflow ends')
    .option('-n, --namespace <name>', 'namespace (default: that of the kubeconfig)')
    .option('--since <line>', 'only from this line of each action on; the first is 0', lineNumber, 0)
    .action((name: string, options: Options) => showLogs(name, options, deps))
  withExamples(
    withOutput(withConnection(logs), 'text', 'json'),
    'workflow logs install-1 -n eksa-system',
    'workflow logs eksa-system/install-1 --action "stream image" --follow',
    'workflow logs install-1 -o json | jq -r .text',
  )
}

function lineNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected the number of a line, 0 or more.')
}

type LogLine = { line: number; at: number; text: string; source?: string }
type Read = { lines: LogLine[]; next: number }

async function showLogs(text: string, options: Options, deps: CliDeps): Promise<void> {
  await withClient(options, deps, async (client) => {
    const place = placeOf(text, options.namespace ?? client.namespace)
    const patiently = createPatience(deps, (said) => void deps.stderr.write(`${said}\n`))
    const next = new Map<string, number>()
    const complete = new Set<string>()

    // An action that had ended before it was read prints nothing more.
    const readAll = async (): Promise<Workflow> => {
      const workflow = workflowFrom(await client.get('Workflow', place.namespace, place.name))
      for (const action of chosen(workflow, options.action)) {
        if (complete.has(action.id) || action.state === 'PENDING') continue
        const read = await readAction(client, place, action, next.get(action.id) ?? options.since)
        for (const line of read.lines) deps.stdout.write(lineText(line, action, options))
        next.set(action.id, read.next)
        if (action.state !== 'RUNNING') complete.add(action.id)
      }
      return workflow
    }

    const show = (action: PlacedAction, line: LogLine) => {
      // A stream that is opened again begins with what was shown.
      if (line.line < (next.get(action.id) ?? 0)) return
      deps.stdout.write(lineText(line, action, options))
      next.set(action.id, line.line + 1)
    }
    const stream = async () => {
      const path = logsPath(place, {
        follow: 'true',
        since: String(options.since),
        ...(options.action === undefined ? {} : { action: options.action }),
      })
      try {
        await client.watch(path, (event) => showEvent(event, show), deps.signal)
      } catch (error) {
        if (!isAway(error)) throw error
      }
    }

    let workflow = await readAll()
    const isDone = () => hasEnded(workflow) || chosenAreComplete(workflow, options.action, complete)
    while (options.follow && !isDone() && !deps.signal.aborted) {
      await stream()
      if (!deps.signal.aborted) workflow = await patiently(readAll)
      if (!isDone()) await deps.sleep(pauseMs, deps.signal)
    }
    if (next.size === 0) deps.stderr.write(`no action of ${titleOf(workflow)} has begun\n`)
  }).catch((error: unknown) => {
    if (!deps.signal.aborted) throw error
  })
}

/**
 * The actions that are meant; none while the Workflow is not planned.
 * @throws AppError NotFound for an action that it has not
 */
function chosen(workflow: Workflow, wanted: string | undefined): PlacedAction[] {
  const actions = actionsOf(workflow)
  if (wanted === undefined) return actions
  const found = actions.filter(({ id, name }) => id === wanted || name === wanted)
  if (found.length > 0 || (actions.length === 0 && !hasEnded(workflow))) return found
  const names = actions.map(({ name }) => `"${plainText(name)}"`).join(', ') || 'none'
  throw new AppError('NotFound', `workflow ${titleOf(workflow)} has no action "${wanted}"; it has ${names}`)
}

function chosenAreComplete(
  workflow: Workflow,
  wanted: string | undefined,
  complete: ReadonlySet<string>,
): boolean {
  const actions = chosen(workflow, wanted)
  return actions.length > 0 && actions.every(({ id }) => complete.has(id))
}

type Place = { namespace: string; name: string }

function logsPath({ namespace, name }: Place, query: Record<string, string>): string {
  const place = [namespace, name].map(encodeURIComponent).join('/')
  return `/ironwake/v1/workflows/${place}/logs?${new URLSearchParams(query).toString()}`
}

function showEvent(event: unknown, show: (action: PlacedAction, line: LogLine) => void): void {
  const { action, ...line } = event as LogLine & { action: PlacedAction }
  show(action, line)
}

async function readAction(client: Client, place: Place, action: PlacedAction, since: number): Promise<Read> {
  const answer = await client.request('GET', logsPath(place, { action: action.id, since: String(since) }))
  if (answer.status !== 200) throw failureOf(answer)
  const [read] = (answer.json as { actions: Read[] }).actions
  return read ?? { lines: [], next: since }
}

/**
 * `2026-05-04 14:03:59.120  [stream image] (syslog) text`; the name only where several actions print, the source where
 * that is not the agent.
 */
function lineText({ line, ...said }: LogLine, { id, name }: PlacedAction, options: Options): string {
  if (options.output === 'json') return `${JSON.stringify({ actionId: id, action: name, line, ...said })}\n`
  const { at, text, source } = said
  const title = options.action === undefined ? `[${plainText(name)}] ` : ''
  const origin = source === undefined ? '' : `(${plainText(source)}) `
  return `${localText(at)}  ${title}${origin}${plainText(text.replaceAll('\t', '  '))}\n`
}
