import { choose, readRuleSet } from '../discovery/choose.ts'
import type { Choice, Standing } from '../discovery/choose.ts'
import { whyNotEnrolled } from '../discovery/workflow.ts'
import { attributesAnnotation, attributesOf, tidyAttributes } from '../model/agent-attributes.ts'
import type { AgentAttributes } from '../model/agent-attributes.ts'
import { messageOf } from '../model/error.ts'
import type { Hardware } from '../model/hardware.ts'
import type { WorkflowRuleSet } from '../model/workflow-rule-set.ts'
import { CommandFailed } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { textOf } from './hardware.ts'
import { objectsIn } from './objects.ts'
import { dataText, plainText, textTable } from './output.ts'
import { hardwareOf, serverSource } from './template-input.ts'
import type { Source } from './template-input.ts'

export type RuleSetOptions = ConnectOptions & {
  filename?: string
  hardware?: string
  attributes?: string
  namespace?: string
  output: 'table' | 'json' | 'yaml'
}

/** Writes how rule sets stand to a machine. @throws CommandFailed, also when none matches */
export async function testRuleSets(options: RuleSetOptions, deps: CliDeps): Promise<void> {
  const source = serverSource(options, deps)
  if ((options.hardware === undefined) === (options.attributes === undefined))
    throw new CommandFailed('name a machine with --hardware, or what is known of one with --attributes', 2)
  const hardware = await hardwareOf(options.hardware, options.namespace, source, deps)
  const attributes = hardware ? known(hardware) : await attributesIn(options.attributes!, deps)
  const ruleSets = await ruleSetsOf(options, source, deps)
  const choice = choose(ruleSets.map(readRuleSet), attributes)
  const hindrance = hardware ? whyNotEnrolled(hardware, 0) : undefined
  deps.stdout.write(await shown(options.output, choice, hindrance))
  if (!choice.chosen) throw new CommandFailed('no WorkflowRuleSet matches')
}

function known(hardware: Hardware): AgentAttributes {
  const found = attributesOf(hardware.metadata.annotations)
  if (found) return found
  const { namespace, name } = hardware.metadata
  throw new CommandFailed(
    `Hardware ${namespace}/${name} has no annotation ${attributesAnnotation}: its agent has not called yet, or has said more than 64 KiB`,
  )
}

async function attributesIn(file: string, deps: CliDeps): Promise<AgentAttributes> {
  const text = await textOf(file, deps)
  try {
    return tidyAttributes(JSON.parse(text))
  } catch (error) {
    throw new CommandFailed(`${file} is not JSON: ${messageOf(error)}`)
  }
}

async function ruleSetsOf(
  { filename, namespace = 'default' }: RuleSetOptions,
  source: Source,
  deps: CliDeps,
): Promise<WorkflowRuleSet[]> {
  if (filename === undefined)
    return source(async (client) => (await client.list('WorkflowRuleSet')) as unknown as WorkflowRuleSet[])
  const objects = await objectsIn(await textOf(filename, deps), filename, namespace)
  const found = objects.filter(({ kind }) => kind === 'WorkflowRuleSet')
  if (found.length === 0) throw new CommandFailed(`${filename} holds no WorkflowRuleSet`)
  return found as unknown as WorkflowRuleSet[]
}

async function shown(
  output: RuleSetOptions['output'],
  { chosen, standings }: Choice,
  hindrance: string | undefined,
): Promise<string> {
  const title = chosen && titleOf(chosen.metadata)
  if (output !== 'table')
    return dataText(output, {
      chosen: title ?? null,
      ...(hindrance !== undefined && { notEnrolledBecause: hindrance }),
      ruleSets: standings.map(({ why, ...rest }) => ({
        ...rest,
        rules: why.map((lines) => ({ matches: lines.length === 0, why: lines })),
      })),
    })
  const rows = standings.map((standing) => [
    titleOf(standing),
    `${standing.matched}/${standing.of}`,
    titleOf(standing) === title
      ? 'chosen'
      : standing.matched > 0
        ? 'matches, another has more or is older'
        : 'no',
  ])
  const note = hindrance === undefined ? [] : [`The machine is not enrolled by itself: ${hindrance}.`]
  return [textTable(['RULE SET', 'RULES', 'RESULT'], rows), ...standings.flatMap(reasons), ...note]
    .map((text) => (text.endsWith('\n') ? text : `${text}\n`))
    .join('')
}

const titleOf = ({ namespace, name }: { namespace: string; name: string }) => `${namespace}/${name}`

/** What each rule failed by. */
function reasons(standing: Standing): string[] {
  const title = titleOf(standing)
  const failed = standing.why.flatMap((lines, at) => lines.map((line) => `${title} rules[${at}]: ${line}`))
  return [...standing.faults.map((fault) => `${title} ${fault}`), ...failed].map(plainText)
}
