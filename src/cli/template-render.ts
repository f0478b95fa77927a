import { AppError } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { Template } from '../model/template.ts'
import { render } from '../template/render.ts'
import { readDocument } from '../workflow/document.ts'
import type { TemplateDocument } from '../workflow/document.ts'
import { renderData } from '../workflow/plan.ts'
import { explained } from './caret.ts'
import { CommandFailed, placeOf } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { dataText } from './output.ts'
import { hardwareOf, mapOf, serverSource, templateOfFile, valuesOf } from './template-input.ts'
import type { Source, TemplateText } from './template-input.ts'

export type RenderOptions = ConnectOptions & {
  filename?: string
  template?: string
  hardware?: string
  set?: Record<string, string>
  values?: string
  namespace?: string
  allowNonHermetic?: boolean
  output: 'yaml' | 'json' | 'text'
}

/** Writes what a template becomes. @throws AppError whose message shows where it is wrong; CommandFailed */
export async function renderTemplate(options: RenderOptions, deps: CliDeps): Promise<void> {
  const source = serverSource(options, deps)
  const template = await templateText(options, source, deps)
  const hardware = await hardwareOf(options.hardware, options.namespace, source, deps)
  const given = { ...(await valuesOf(options.values, deps)), ...options.set }
  const text = await renderedText(template, hardware, mapOf(hardware, given), options, deps)
  if (options.output === 'text') return void deps.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
  deps.stdout.write(await dataText(options.output, shownDocument(documentOf(template.name, text))))
}

async function templateText(options: RenderOptions, source: Source, deps: CliDeps): Promise<TemplateText> {
  const { filename, template } = options
  if ((filename === undefined) === (template === undefined))
    throw new CommandFailed('name a file with -f, or a Template of the server with --template', 2)
  if (filename !== undefined) return templateOfFile(filename, deps)
  return source(async (client) => {
    const place = placeOf(template!, options.namespace ?? client.namespace)
    const found = (await client.get('Template', place.namespace, place.name)) as unknown as Template
    return { name: `Template ${place.namespace}/${place.name}`, text: found.spec?.data ?? '' }
  })
}

/** @throws AppError whose message shows the place */
export async function renderedText(
  { name, text }: TemplateText,
  hardware: Hardware | undefined,
  hardwareMap: Readonly<Record<string, string>>,
  { allowNonHermetic }: { allowNonHermetic?: boolean },
  deps: Pick<CliDeps, 'env' | 'now'>,
): Promise<string> {
  const { processOutside } = await import('../template/outside/process.ts')
  const outside = allowNonHermetic ? processOutside(deps.env, deps.now) : undefined
  try {
    return render(text, renderData(hardware, hardwareMap), { outside })
  } catch (error) {
    throw withHint(explained(error, name, text), hardware, hardwareMap)
  }
}

/** Says how a missing value is given. */
function withHint(
  error: unknown,
  hardware: Hardware | undefined,
  hardwareMap: Readonly<Record<string, string>>,
): unknown {
  if (!(error instanceof AppError)) return error
  const key = /map has no entry for key "(\w+)"/.exec(error.message)?.[1]
  if (key === undefined || !new RegExp(`\\n.*[^\\w.)]\\.${key}\\b`).test(error.message)) return error
  const known = Object.keys(hardwareMap).join(', ') || 'nothing'
  const hint = [
    `  values of hardwareMap are given with --set ${key}=…; so far there is ${known}`,
    ...(hardware ? [] : ['  no Hardware was named: --hardware FILE or NAME']),
  ]
  return new AppError(error.code, [error.message, ...hint].join('\n'), { cause: error })
}

/** @throws AppError whose message shows the places in the rendered text */
export function documentOf(name: string, rendered: string): TemplateDocument {
  try {
    return readDocument(rendered)
  } catch (error) {
    throw explained(error, name, rendered)
  }
}

/** The document with Tinkerbell's names, without what is empty. */
function shownDocument({ name, globalTimeoutSeconds, tasks }: TemplateDocument): object {
  return {
    name,
    ...(globalTimeoutSeconds === undefined ? {} : { global_timeout: globalTimeoutSeconds }),
    tasks: tasks.map(({ name: task, worker, volumes, environment, actions }) => ({
      name: task,
      worker,
      ...filled({ volumes, environment }),
      actions: actions.map(({ timeoutSeconds, pid, namespaces, ...action }) => ({
        name: action.name,
        image: action.image,
        ...(timeoutSeconds === undefined ? {} : { timeout: timeoutSeconds }),
        ...filled({ command: action.command, volumes: action.volumes, environment: action.environment }),
        ...(pid === '' ? {} : { pid }),
        ...filled({
          namespaces: Object.fromEntries(Object.entries(namespaces).filter(([, value]) => value !== '')),
        }),
      })),
    })),
  }
}

/** Entries that hold something. */
function filled(values: Record<string, object>): Record<string, object> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => Object.keys(value).length > 0))
}
