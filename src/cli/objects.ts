import { isDeepStrictEqual } from 'node:util'
import type { Command } from 'commander'
import { isCode } from '../model/error.ts'
import type { NewObject } from '../model/object.ts'
import type { Client } from './client.ts'
import { grouped } from './discover.ts'
import { failureOf } from './failure.ts'
import { CommandFailed, placeOf, withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { textOf } from './hardware.ts'
import { dataText, textTable } from './output.ts'

type Format = 'table' | 'wide' | 'json' | 'yaml' | 'name'
type GetOptions = ConnectOptions & {
  namespace?: string
  allNamespaces?: boolean
  selector?: string
  output: Format
}
type ApplyOptions = ConnectOptions & {
  filename: string
  namespace?: string
  dryRun?: boolean
  output: Format
}
type DeleteOptions = ConnectOptions & { filename?: string; namespace?: string; output: Format }

/** `get`, `apply` and `delete` for every kind that the server has. */
export function objectCommands(program: Command, deps: CliDeps): void {
  const get = program
    .command('get <kind> [name]')
    .description(
      'show objects of any kind that the server has: hardware (hw), templates (tpl), workflows (wf), …',
    )
    .option('-n, --namespace <name>', 'namespace (default: that of the kubeconfig)')
    .option('-A, --all-namespaces', 'objects of all namespaces')
    .option('-l, --selector <labels>', 'only objects with these labels, as kubectl takes them')
    .action((kind: string, name: string | undefined, options: GetOptions) =>
      getObjects(kind, name, options, deps),
    )
  withExamples(
    withOutput(withConnection(get), 'table', 'wide', 'json', 'yaml', 'name'),
    'get wf -A',
    'get hw machine-1 -n eksa-system -o yaml',
    "get hw -A -l 'type in (cp,worker),!v1alpha1.tinkerbell.org/ownerName'",
  )
  const apply = program
    .command('apply')
    .description(
      'create objects, or change those that exist; fields that the file does not mention stay as they are',
    )
    .requiredOption(
      '-f, --filename <file>',
      'objects as YAML or JSON, one or several documents ("-": standard input)',
    )
    .option('-n, --namespace <name>', 'namespace of objects that name none (default: that of the kubeconfig)')
    .option('--dry-run', 'let the server check the objects and store nothing')
    .action((options: ApplyOptions) => applyFile(options, deps))
  withExamples(
    withOutput(withConnection(apply), 'name', 'json', 'yaml'),
    'apply -f template.yaml',
    'apply -f - < workflow.yaml',
    'apply --dry-run -f template.yaml',
  )
  const remove = program
    .command('delete [kind] [names...]')
    .description('delete objects by kind and name, or those of a file')
    .option('-f, --filename <file>', 'YAML or JSON with the objects to delete ("-": standard input)')
    .option('-n, --namespace <name>', 'namespace (default: that of the kubeconfig)')
    .action((kind: string | undefined, names: string[], options: DeleteOptions) =>
      deleteObjects(kind, names, options, deps),
    )
  withExamples(
    withOutput(withConnection(remove), 'name', 'json'),
    'delete workflow install-1 -n eksa-system',
    'delete hardware machine-1 machine-2 -n eksa-system',
    'delete -f workflow.yaml',
  )
}

async function getObjects(
  kind: string,
  name: string | undefined,
  options: GetOptions,
  deps: CliDeps,
): Promise<void> {
  await withClient(options, deps, async (client) => {
    const place = placeOf(name ?? '', options.namespace ?? client.namespace)
    const resource = await client.resource(kind)
    const everywhere = options.allNamespaces === true && name === undefined && resource.namespaced
    const path = await client.path(kind, everywhere ? undefined : place.namespace, name && place.name)
    const query = options.selector ? `?labelSelector=${encodeURIComponent(options.selector)}` : ''
    const isTable = options.output === 'table' || options.output === 'wide'
    const accept = isTable ? 'application/json;as=Table;v=v1;g=meta.k8s.io' : 'application/json'
    const answer = await client.request('GET', path + query, undefined, { accept })
    if (answer.status !== 200) throw failureOf(answer)
    if (options.output === 'json' || options.output === 'yaml')
      deps.stdout.write(await dataText(options.output, answer.json))
    else if (options.output === 'name') {
      const items = (answer.json as { items?: NewObject[] }).items ?? [answer.json as NewObject]
      const title = grouped(resource.singularName, resource)
      for (const item of items) deps.stdout.write(`${title}/${item.metadata.name}\n`)
    } else printTable(answer.json as Table, { wide: options.output === 'wide', everywhere }, deps)
  })
}

type Table = {
  columnDefinitions: { name: string; priority: number }[]
  rows: { cells: (string | number | boolean | null)[]; object?: { metadata: { namespace: string } } }[]
}

function printTable(
  table: Table,
  { wide, everywhere }: { wide: boolean; everywhere: boolean },
  deps: CliDeps,
): void {
  if (table.rows.length === 0) {
    deps.stderr.write('nothing found\n')
    return
  }
  const shown = table.columnDefinitions.map(({ priority }) => wide || priority === 0)
  const pick = <T>(values: readonly T[]) => values.filter((_, column) => shown[column])
  const headers = pick(table.columnDefinitions.map(({ name }) => name.toUpperCase()))
  const rows = table.rows.map(({ cells, object }) => {
    const texts = pick(cells).map((cell) => (cell === null ? '' : String(cell)))
    return everywhere ? [object?.metadata.namespace ?? '', ...texts] : texts
  })
  deps.stdout.write(textTable(everywhere ? ['NAMESPACE', ...headers] : headers, rows))
}

/**
 * The objects of a text of one or several YAML documents; Lists are taken apart.
 * @throws CommandFailed with the place of the fault
 */
export async function objectsIn(text: string, file: string, namespace: string): Promise<NewObject[]> {
  const { parseAllDocuments } = await import('yaml')
  const parsed = parseAllDocuments(text)
  const documents = Array.isArray(parsed) ? parsed : []
  const objects = documents.flatMap((document) => {
    const fault = document.errors[0]
    if (fault) throw new CommandFailed(`${file}: ${fault.message}`)
    const content: unknown = document.toJS()
    if (content === null || content === undefined) return []
    const { kind, items } = content as { kind?: unknown; items?: unknown }
    return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)
      ? (items as unknown[])
      : [content]
  })
  if (objects.length === 0) throw new CommandFailed(`${file} holds no object`)
  return objects.map((object, index) => placed(object, `${file}, object ${index + 1}`, namespace))
}

function placed(object: unknown, where: string, namespace: string): NewObject {
  const { kind, metadata } = (typeof object === 'object' ? object : {}) as Partial<NewObject>
  if (typeof kind !== 'string') throw new CommandFailed(`${where}: it has no "kind"`)
  if (typeof metadata?.name !== 'string') throw new CommandFailed(`${where}: ${kind} has no "metadata.name"`)
  return { ...(object as NewObject), metadata: { ...metadata, namespace: metadata.namespace ?? namespace } }
}

type Outcome = 'created' | 'configured' | 'unchanged'

async function applyFile(options: ApplyOptions, deps: CliDeps): Promise<void> {
  const text = await textOf(options.filename, deps)
  await withClient(options, deps, async (client) => {
    const objects = await objectsIn(text, options.filename, options.namespace ?? client.namespace)
    const results: { outcome: Outcome; object: NewObject }[] = []
    for (const object of objects) {
      const result = await applyObject(client, object, options.dryRun === true)
      results.push(result)
      if (options.output === 'name') {
        const note = options.dryRun ? ' (dry run)' : ''
        deps.stdout.write(`${await titleOf(client, object)} ${result.outcome}${note}\n`)
      }
    }
    if (options.output === 'json' || options.output === 'yaml') {
      const items = results.map((result) => result.object)
      deps.stdout.write(await dataText(options.output, { apiVersion: 'v1', kind: 'List', items }))
    }
  })
}

/** Creates the object, or patches the one that is there; fields that the file does not mention stay as they are. */
async function applyObject(
  client: Client,
  object: NewObject,
  dryRun: boolean,
): Promise<{ outcome: Outcome; object: NewObject }> {
  const query = dryRun ? '?dryRun=All' : ''
  const resource = await client.resource(object.kind)
  const { namespace, ...withoutNamespace } = object.metadata
  const { name } = object.metadata
  const sent = resource.namespaced ? object : { ...object, metadata: withoutNamespace }
  const collection = await client.path(object.kind, namespace)
  const made = await client.request('POST', collection + query, sent)
  if (made.status === 201) return { outcome: 'created', object: made.json as NewObject }
  const failure = failureOf(made)
  if (!isCode(failure, 'AlreadyExists')) throw failure
  const before = await client.get(object.kind, namespace, name)
  const { status: _, ...patch } = sent
  const path = (await client.path(object.kind, namespace, name)) + query
  const type = { 'content-type': 'application/merge-patch+json' }
  const changed = await client.request('PATCH', path, patch, type)
  if (changed.status !== 200) throw failureOf(changed)
  const after = changed.json as NewObject
  return { outcome: isDeepStrictEqual(after, before) ? 'unchanged' : 'configured', object: after }
}

async function titleOf(client: Client, object: NewObject): Promise<string> {
  const resource = await client.resource(object.kind)
  return `${grouped(resource.singularName, resource)}/${object.metadata.name}`
}

async function deleteObjects(
  kind: string | undefined,
  names: string[],
  options: DeleteOptions,
  deps: CliDeps,
): Promise<void> {
  const fromFile = options.filename
  if ((fromFile === undefined) === (kind === undefined) || (kind !== undefined && names.length === 0))
    throw new CommandFailed('name a kind and one or more objects, or a file with -f', 2)
  const text = fromFile === undefined ? '' : await textOf(fromFile, deps)
  await withClient(options, deps, async (client) => {
    const namespace = options.namespace ?? client.namespace
    const targets =
      fromFile === undefined
        ? names.map((name) => ({ kind: kind!, metadata: placeOf(name, namespace) }) as NewObject)
        : await objectsIn(text, fromFile, namespace)
    const deleted: string[] = []
    for (const target of targets) {
      await client.delete(target.kind, target.metadata.namespace, target.metadata.name)
      deleted.push(await titleOf(client, target))
      if (options.output === 'name') deps.stdout.write(`${deleted.at(-1)} deleted\n`)
    }
    if (options.output === 'json') deps.stdout.write(await dataText('json', { deleted }))
  })
}
