import type { Command } from 'commander'
import type { Workflow } from '../model/workflow.ts'
import type { Client } from './client.ts'
import { CommandFailed, placeOf, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { createFollower } from './follow.ts'
import type { Selection } from './follow.ts'
import { hasEnded, verdictOf } from './outcome.ts'
import { createPatience, isAway } from './patience.ts'
import { createScreen } from './screen.ts'
import type { Said, Screen } from './screen.ts'
import { createView } from './view.ts'

type Options = ConnectOptions & { namespace?: string; output: 'text' | 'json' }

/** How often progress is asked for, and how soon for the first time, ms. */
const pollMs = 1000
const firstPollMs = 100

/** `workflow watch`: one Workflow, or all that are under way, to the end. */
export function watchCommand(workflow: Command, deps: CliDeps): void {
  const watch = workflow
    .command('watch [name]')
    .summary('follow one workflow, or all that are under way, to the end')
    .description(
      'follow a workflow ("name" or "namespace/name") to its end; without a name all that are under way. ' +
        'The exit code is 0 when all succeeded, 1 when one did not, 130 when interrupted.',
    )
    .option('-n, --namespace <name>', 'namespace (default: that of the kubeconfig; without a name all)')
    .action((name: string | undefined, options: Options) => watchWorkflows(name, options, deps))
  withExamples(
    withOutput(withConnection(watch), 'text', 'json'),
    'workflow watch',
    'workflow watch install-1 -n eksa-system',
    'workflow watch eksa-system/install-1 && echo installed',
    "workflow watch install-1 -o json | jq -r '.status.state'",
  )
}

async function watchWorkflows(text: string | undefined, options: Options, deps: CliDeps): Promise<void> {
  const followed = await withClient(options, deps, async (client) => {
    const selection: Selection =
      text === undefined
        ? { namespace: options.namespace, name: undefined }
        : placeOf(text, options.namespace ?? client.namespace)
    return watchAll(client, selection, options.output === 'json', deps)
  })
  if (deps.signal.aborted) throw new CommandFailed('interrupted; the workflow goes on', 130)
  const bad = followed.filter(({ status }) => status?.state !== 'SUCCESS')
  const [first] = bad
  if (first && bad.length === 1) throw new CommandFailed(`workflow ${verdictOf(first)}`)
  if (first)
    throw new CommandFailed(
      `${bad.length} of ${followed.length} workflows did not succeed\n${bad.map(verdictOf).join('\n')}`,
    )
}

async function watchAll(
  client: Client,
  selection: Selection,
  asJson: boolean,
  deps: CliDeps,
): Promise<Workflow[]> {
  const several = selection.name === undefined
  const view = createView(deps, { asJson, several })
  const patiently = createPatience(deps, view.notice)
  const follower = createFollower(selection, {
    ...deps,
    client,
    patiently,
    changed: (before, after) => {
      screen.show(under())
      view.changed(before, after)
    },
  })
  const screen = createScreen(view, { several, now: deps.now, env: deps.env })
  const under = () => [...follower.known.values()].filter((workflow) => !hasEnded(workflow))
  const ended = new AbortController()
  if (!asJson)
    void poll({ client, under, screen, sleep: deps.sleep, lost: follower.restart, stop: ended.signal })
  try {
    await follower.run()
  } finally {
    ended.abort()
    view.end()
  }
  return [...follower.known.values()]
}

type Polling = {
  client: Client
  under(): readonly Workflow[]
  screen: Screen
  sleep: CliDeps['sleep']
  lost(): void
  stop: AbortSignal
}

/** Asks for the progress of what is under way and shows it, until `stop`. Never throws. */
async function poll({ client, under, screen, sleep, lost, stop }: Polling): Promise<void> {
  await sleep(firstPollMs, stop)
  while (!stop.aborted) {
    const running = screen.running(under())
    const answers = await Promise.allSettled(running.map((workflow) => progressOf(client, workflow)))
    if (stop.aborted) return
    if (answers.some((answer) => answer.status === 'rejected' && isAway(answer.reason))) lost()
    screen.note(answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : [])))
    screen.show(under())
    await sleep(pollMs, stop)
  }
}

/** A server that cannot say has no progress. */
async function progressOf(client: Client, { metadata }: Workflow): Promise<Said[]> {
  const place = [metadata.namespace, metadata.name].map(encodeURIComponent).join('/')
  const { status, json } = await client.request('GET', `/ironwake/v1/workflows/${place}/progress`)
  const actions = status === 200 ? (json as { actions?: unknown }).actions : undefined
  return Array.isArray(actions) ? (actions as Said[]) : []
}
