import type { Workflow } from '../model/workflow.ts'
import type { Client } from './client.ts'
import { actionsOf } from './outcome.ts'
import { textTable } from './output.ts'

/** What Workflows wait for behind others of their machine, by `namespace/name`. */
export type Turns = ReadonlyMap<string, string>

const headers = ['NAMESPACE', 'NAME', 'STATE', 'TEMPLATE', 'HARDWARE', 'ACTION', 'DONE']

/** Workflows, one in a line; a column for the queue when one of them stands in it. */
export function workflowTable(workflows: readonly Workflow[], turns: Turns = new Map()): string {
  const isQueue = workflows.some((workflow) => turnOf(workflow, turns) !== undefined)
  const rows = workflows.map((workflow) => [
    ...rowOf(workflow),
    ...(isQueue ? [turnOf(workflow, turns) ?? ''] : []),
  ])
  return textTable([...headers, ...(isQueue ? ['QUEUE'] : [])], rows)
}

export const turnOf = ({ metadata }: Workflow, turns: Turns): string | undefined =>
  turns.get(`${metadata.namespace}/${metadata.name}`)

function rowOf(workflow: Workflow): string[] {
  const { metadata, spec, status } = workflow
  const actions = actionsOf(workflow)
  const done = actions.filter(({ state }) => state === 'SUCCESS').length
  return [
    metadata.namespace,
    metadata.name,
    `${status?.state || '-'}${conditionOf(workflow, 'Paused') ? ', paused' : ''}`,
    spec?.templateRef ?? '-',
    spec?.hardwareRef ?? '-',
    status?.currentState?.actionName ?? '-',
    actions.length === 0 ? '-' : `${done}/${actions.length}`,
  ]
}

/** The message of a condition that holds; `undefined` when it does not. */
export function conditionOf({ status }: Workflow, type: string): string | undefined {
  const found = status?.conditions?.find((condition) => condition.type === type)
  return found?.status === 'True' ? (found.message ?? '') : undefined
}

type Table = {
  columnDefinitions?: { name: string }[]
  rows?: { cells: unknown[]; object: { metadata: { namespace: string; name: string } } }[]
}

/** Asks the server, which knows what each machine is called; one that does not say has nothing to say. */
export async function turnsOf(client: Client, namespace?: string): Promise<Turns> {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const { status, json } = await client.request('GET', await client.path('Workflow', namespace), undefined, {
    accept,
  })
  const { columnDefinitions = [], rows = [] } = (status === 200 ? json : {}) as Table
  const column = columnDefinitions.findIndex(({ name }) => name === 'Queue')
  return new Map(
    rows.flatMap(({ cells, object: { metadata } }): [string, string][] => {
      const cell = cells[column]
      return typeof cell === 'string' ? [[`${metadata.namespace}/${metadata.name}`, cell]] : []
    }),
  )
}
