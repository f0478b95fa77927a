import { existsSync } from 'node:fs'
import type { Hardware } from '../model/hardware.ts'
import { messageOf } from '../model/error.ts'
import type { NewObject } from '../model/object.ts'
import type { Template } from '../model/template.ts'
import type { Client } from './client.ts'
import { CommandFailed, placeOf, withClient } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { textOf } from './hardware.ts'
import { objectsIn } from './objects.ts'

/** A template's text, and what to call it in messages. */
export type TemplateText = { name: string; text: string }

/** Asks the server only when something is wanted of it. */
export type Source = <T>(ask: (client: Client) => Promise<T>) => Promise<T>

export function serverSource(options: ConnectOptions, deps: CliDeps): Source {
  return (ask) => withClient(options, deps, ask)
}

/** Text of a file: a template by itself, or `spec.data` of the Template object that the file holds. */
export async function templateOfFile(file: string, deps: CliDeps): Promise<TemplateText> {
  const text = await textOf(file, deps)
  const shown = file === '-' ? 'standard input' : file
  if (!/^kind:\s*["']?Template["']?\s*$/m.test(text) && !/^\s*\{[^]*"kind"\s*:\s*"Template"/.test(text))
    return { name: shown, text }
  const found = only(await objectsIn(text, shown, 'default'), 'Template', shown) as unknown as Template
  return { name: `${shown}, spec.data of Template ${found.metadata.name}`, text: found.spec?.data ?? '' }
}

/** Hardware of a file, else of the server by `name` or `namespace/name`; nothing when `wanted` is left out. */
export async function hardwareOf(
  wanted: string | undefined,
  namespace: string | undefined,
  source: Source,
  deps: CliDeps,
): Promise<Hardware | undefined> {
  if (wanted === undefined) return undefined
  if (wanted === '-' || /\.(ya?ml|json)$/i.test(wanted) || existsSync(wanted)) {
    const objects = await objectsIn(await textOf(wanted, deps), wanted, namespace ?? 'default')
    return only(objects, 'Hardware', wanted) as unknown as Hardware
  }
  return source(async (client) => {
    const place = placeOf(wanted, namespace ?? client.namespace)
    return (await client.get('Hardware', place.namespace, place.name)) as unknown as Hardware
  })
}

function only(objects: readonly NewObject[], kind: string, file: string): NewObject {
  const found = objects.filter((object) => object.kind === kind)
  const [first] = found
  if (first && found.length === 1) return first
  const names = found.map(({ metadata }) => metadata.name).join(', ')
  throw new CommandFailed(
    first ? `${file} holds ${found.length} ${kind} (${names}), expected one` : `${file} holds no ${kind}`,
  )
}

/** Gathers `--set key=value`, which may be given several times. */
export function collectPair(pair: string, before: Record<string, string> = {}): Record<string, string> {
  const equals = pair.indexOf('=')
  if (equals < 1) throw new CommandFailed(`--set ${pair}: expected key=value`, 2)
  return { ...before, [pair.slice(0, equals)]: pair.slice(equals + 1) }
}

/** Values as a Workflow's `hardwareMap` has them; `device_1` is the agent of the Hardware when nothing else is said. */
export function mapOf(
  hardware: Hardware | undefined,
  given: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const agent = agentOf(hardware)
  return { ...(agent === undefined ? {} : { device_1: agent }), ...given }
}

/** What the agent of a machine calls itself: `spec.agentID`, else the MAC of the first interface. */
export function agentOf(hardware: Hardware | undefined): string | undefined {
  const macs = (hardware?.spec?.interfaces ?? []).flatMap(({ dhcp }) => dhcp?.mac ?? [])
  return hardware?.spec?.agentID || macs[0]
}

/** Values of `--values FILE`: a mapping of texts and numbers. */
export async function valuesOf(file: string | undefined, deps: CliDeps): Promise<Record<string, string>> {
  if (file === undefined) return {}
  const text = await textOf(file, deps)
  const { parse } = await import('yaml')
  try {
    const content: unknown = parse(text, { schema: 'failsafe' })
    if (content === null || typeof content !== 'object' || Array.isArray(content))
      throw new Error('expected a mapping')
    const entries = Object.entries(content)
    const bad = entries.find(([, value]) => typeof value !== 'string')
    if (bad) throw new Error(`${bad[0]} is not text`)
    return Object.fromEntries(entries) as Record<string, string>
  } catch (error) {
    throw new CommandFailed(`${file}: ${messageOf(error)}`)
  }
}
