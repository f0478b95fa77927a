import type { KubeObject } from '../model/object.ts'
import { isLive } from '../model/workflow.ts'
import type { Template } from '../model/template.ts'
import type { Workflow } from '../model/workflow.ts'
import type { Store } from '../store/store.ts'

/** An image by its name below `/images/`. */
export type NamedImage = { name: string }

const url = /\/images\/([A-Za-z0-9._+@:,=~%/-]+)/g

/**
 * Who names which image: `Template/<namespace>/<name>` and `Workflow/…`, by the image's name below `/images/`. Of
 * Workflows those that have not ended; what a Template puts together is seen in its Workflows.
 */
export async function imageUses(store: Pick<Store, 'list'>): Promise<ReadonlyMap<string, string[]>> {
  const uses = new Map<string, string[]>()
  const note = ({ kind, metadata }: KubeObject, texts: readonly string[]) => {
    const who = `${kind}/${metadata.namespace}/${metadata.name}`
    for (const name of new Set(texts.flatMap(namesIn))) uses.set(name, [...(uses.get(name) ?? []), who])
  }
  for (const template of (await store.list('Template')).items as Template[])
    note(template, [template.spec?.data ?? ''])
  for (const workflow of (await store.list('Workflow')).items as Workflow[])
    if (isLive(workflow)) note(workflow, textsOf(workflow))
  return uses
}

/** Of what a Workflow hands to its actions. */
function textsOf({ spec, status }: Workflow): string[] {
  const tasks = status?.tasks ?? []
  const environments = tasks.flatMap((task) => [task, ...task.actions]).map(({ environment }) => environment)
  return [spec?.hardwareMap, ...environments].flatMap((values) => Object.values(values ?? {}))
}

function namesIn(text: string): string[] {
  return [...text.matchAll(url)].map(([, path = '']) => unescaped(path).replace(/[.,:]+$/, ''))
}

function unescaped(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
