import type { Node } from 'yaml'
import { AppError } from '../model/error.ts'
import { parseDuration } from './duration.ts'
import { parseImageName } from './image-name.ts'
import { YamlReader } from './yaml-reader.ts'
import type { Entries } from './yaml-reader.ts'

/** A rendered Template: times in seconds, `undefined` where it says nothing (or 0). */
export type TemplateDocument = {
  name: string
  globalTimeoutSeconds: number | undefined
  tasks: TemplateTask[]
}

export type TemplateTask = {
  name: string
  worker: string
  volumes: string[]
  environment: Record<string, string>
  actions: TemplateAction[]
}

export type TemplateAction = {
  name: string
  image: string
  timeoutSeconds: number | undefined
  command: string[]
  volumes: string[]
  environment: Record<string, string>
  pid: string
  namespaces: { network: string; pid: string }
  /** further tries after a failure */
  retries: number
  retryDelaySeconds: number | undefined
  onTimeout: string[]
  onFailure: string[]
}

const maxActions = 1000
const maxRetries = 10
const longestRetryDelaySeconds = 300
const maxShownFaults = 20

/**
 * Reads and checks a rendered Template (YAML; Tinkerbell's template version 0.1). Unknown keys are left alone.
 * @throws AppError Invalid with every fault; their paths are `line:column` of the rendered text
 */
export function readDocument(rendered: string): TemplateDocument {
  const yaml = new YamlReader(rendered)
  const document = yaml.faults.length === 0 ? documentOf(yaml) : undefined
  if (document && yaml.faults.length === 0) return document
  const shown = yaml.faults.slice(0, maxShownFaults).map(({ path, message }) => `${path}: ${message}`)
  const more = yaml.faults.length - shown.length
  const text = shown.join('; ') + (more > 0 ? `; and ${more} more` : '')
  throw new AppError('Invalid', `rendered template: ${text}`, { faults: yaml.faults })
}

function documentOf(yaml: YamlReader): TemplateDocument {
  const root = yaml.entries(yaml.root, 'the template')
  const name = nameOf(yaml, root, yaml.root)
  const globalTimeoutSeconds = yaml.integer(root.get('global_timeout'), 'global_timeout') || undefined
  const nodes = yaml.list(root.get('tasks'), 'tasks')
  if (nodes.length === 0)
    yaml.fault(root.get('tasks') ?? yaml.root, 'template must have at least one task defined')
  const room = { actions: maxActions }
  const tasks = nodes.slice(0, maxActions).map((node) => taskOf(yaml, node, room))
  const twice = 'two tasks in a template cannot have same name'
  checkUnique(yaml, nodes, tasks, (task) => `${twice} (${task})`)
  return { name, globalTimeoutSeconds, tasks }
}

function taskOf(yaml: YamlReader, node: Node, room: { actions: number }): TemplateTask {
  const task = yaml.entries(node, 'a task')
  const name = nameOf(yaml, task, node)
  const worker = yaml.text(task.get('worker'), 'worker')
  if (worker === '') {
    yaml.fault(
      task.get('worker') ?? node,
      `failed to render template, empty hardware address (worker of task "${name}")`,
    )
  }
  const nodes = yaml.list(task.get('actions'), 'actions')
  if (nodes.length > room.actions) yaml.fault(node, `template has more than ${maxActions} actions`)
  const actions = nodes.slice(0, Math.max(room.actions, 0)).map((action) => actionOf(yaml, action))
  room.actions -= nodes.length
  const twice = 'two actions in a task cannot have same name'
  checkUnique(yaml, nodes, actions, (action) => `${twice}: ${action}`)
  return { name, worker, actions, ...settingsOf(yaml, task) }
}

function actionOf(yaml: YamlReader, node: Node): TemplateAction {
  const action = yaml.entries(node, 'an action')
  const name = nameOf(yaml, action, node)
  const image = yaml.text(action.get('image'), 'image')
  const parsed = parseImageName(image)
  if (typeof parsed === 'string')
    yaml.fault(action.get('image') ?? node, `invalid action image (${image}): ${parsed}`)
  const namespaces = yaml.entries(action.get('namespaces'), 'namespaces')
  return {
    name,
    image,
    timeoutSeconds: yaml.integer(action.get('timeout'), 'timeout') || undefined,
    command: yaml.texts(action.get('command'), 'command'),
    ...settingsOf(yaml, action),
    pid: yaml.text(action.get('pid'), 'pid'),
    namespaces: {
      network: yaml.text(namespaces.get('network'), 'namespaces.network'),
      pid: yaml.text(namespaces.get('pid'), 'namespaces.pid'),
    },
    ...triesOf(yaml, action),
    onTimeout: yaml.texts(action.get('on-timeout'), 'on-timeout'),
    onFailure: yaml.texts(action.get('on-failure'), 'on-failure'),
  }
}

/** `retries` as in Tinkerbell's v1alpha2; that has no word for the time between them. */
function triesOf(yaml: YamlReader, action: Entries): Pick<TemplateAction, 'retries' | 'retryDelaySeconds'> {
  const node = action.get('retryDelay')
  const retries = yaml.integer(action.get('retries'), 'retries') ?? 0
  const delay = yaml.text(node, 'retryDelay')
  const seconds = delay === '' ? undefined : parseDuration(delay)
  if (retries > maxRetries)
    yaml.fault(
      action.get('retries'),
      `retries must be a whole number from 0 to ${maxRetries}, not ${retries}`,
    )
  const isDelay = seconds !== undefined && seconds > 0 && seconds <= longestRetryDelaySeconds
  if (delay !== '' && !isDelay) {
    const expected = 'a duration of at most 5m such as 10s or 1m30s'
    yaml.fault(node, `retryDelay must be ${expected}, not ${JSON.stringify(delay)}`)
  }
  return { retries, retryDelaySeconds: seconds }
}

/** What tasks and actions have alike. */
function settingsOf(yaml: YamlReader, entries: Entries): Pick<TemplateAction, 'volumes' | 'environment'> {
  const environment = [...yaml.entries(entries.get('environment'), 'environment')]
  return {
    volumes: yaml.texts(entries.get('volumes'), 'volumes'),
    environment: Object.fromEntries(
      environment.map(([key, value]) => [key, yaml.text(value, `environment ${key}`)]),
    ),
  }
}

/** A name of 1 to 199 bytes. */
function nameOf(yaml: YamlReader, entries: Entries, node: Node | null): string {
  const name = yaml.text(entries.get('name'), 'name')
  const { length } = new TextEncoder().encode(name)
  if (length === 0 || length >= 200) {
    yaml.fault(entries.get('name') ?? node, `name cannot be empty or have more than 200 characters: ${name}`)
  }
  return name
}

function checkUnique(
  yaml: YamlReader,
  nodes: readonly Node[],
  items: readonly { name: string }[],
  message: (name: string) => string,
): void {
  const seen = new Set<string>()
  items.forEach(({ name }, i) => {
    if (name !== '' && seen.has(name)) yaml.fault(nodes[i], message(name))
    seen.add(name)
  })
}
