import type { Command } from 'commander'
import { placeOf, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { failureOf } from './failure.ts'
import { workflowFrom } from './outcome.ts'
import { dataText } from './output.ts'
import { workflowTable } from './workflow-row.ts'

type Options = ConnectOptions & {
  namespace?: string
  reason?: string
  output: 'table' | 'json' | 'yaml'
}

const verbs = {
  cancel: {
    does: 'end a workflow where it stands; it has then failed',
    help: 'An image that is being written is left halfway, and the disk without a partition table.',
  },
  pause: {
    does: 'hand out no further action; an image that is being written stops where it is',
    help: 'Other actions run to their end. No deadline passes until the workflow is resumed.',
  },
  resume: { does: 'go on with a workflow that is paused', help: '' },
  retry: {
    does: 'go on where a workflow has failed, as <name>-retry-<n>, without what had succeeded',
    help: 'The new workflow has the plan of the old one, as it was rendered then.',
  },
  restart: {
    does: 'run a workflow that has ended once more from its beginning, as <name>-run-<n>',
    help: 'The Template is rendered afresh.',
  },
} as const

/** `workflow cancel`, `pause`, `resume`, `retry` and `restart`. */
export function controlCommands(workflow: Command, deps: CliDeps): void {
  for (const [verb, { does, help }] of Object.entries(verbs)) {
    const command = workflow
      .command(`${verb} <name>`)
      .description(does)
      .option('-n, --namespace <name>', 'namespace (default: that of the kubeconfig)')
      .option('--reason <text>', 'why, for those who look at it later')
      .action((name: string, options: Options) => control(verb, name, options, deps))
    withExamples(
      withOutput(withConnection(command), 'table', 'json', 'yaml'),
      `workflow ${verb} eksa-system/install-1`,
      `workflow ${verb} install-1 -n eksa-system --reason "a disk is being replaced"`,
      `workflow ${verb} eksa-system/install-1 -o json`,
    )
    if (help) command.addHelpText('after', `\n${help}`)
  }
}

async function control(verb: string, text: string, options: Options, deps: CliDeps): Promise<void> {
  const { reason, output } = options
  const found = await withClient(options, deps, async (client) => {
    const { namespace, name } = placeOf(text, options.namespace ?? client.namespace)
    const path = await client.path('Workflow', namespace, name)
    const answer = await client.request('POST', `${path}/${verb}`, reason === undefined ? {} : { reason })
    if (answer.status >= 300) throw failureOf(answer)
    return workflowFrom(answer.json as object)
  })
  deps.stdout.write(output === 'table' ? workflowTable([found]) : await dataText(output, found))
}
