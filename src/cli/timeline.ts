import type { Command } from 'commander'
import type { Journey } from '../timeline/journey.ts'
import type { TimelineEntry } from '../timeline/stage.ts'
import type { Client } from './client.ts'
import { failureOf } from './failure.ts'
import { withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { dataText, localText, plainText } from './output.ts'

type Options = ConnectOptions & { follow?: boolean; output: 'text' | 'json' }

/** `timeline`: what a machine was seen to do since it was powered on. */
export function timelineCommand(program: Command, deps: CliDeps): void {
  const timeline = program
    .command('timeline <machine>')
    .description('what a machine was seen to do, stage by stage: a MAC, a hardware name or "namespace/name"')
    .option('-f, --follow', 'go on with what happens next, until interrupted')
    .action((machine: string, options: Options) => show(machine, options, deps))
  withExamples(
    withOutput(withConnection(timeline), 'text', 'json'),
    'timeline machine-1',
    'timeline 52:54:00:12:34:56 --follow',
    'timeline eksa-system/machine-1 -o json',
  )
}

async function show(machine: string, options: Options, deps: CliDeps): Promise<void> {
  const path = `/ironwake/v1/timeline/${machine.split('/').map(encodeURIComponent).join('/')}`
  await withClient(options, deps, async (client) => {
    if (options.follow) return follow(client, path, options, deps)
    const answer = await client.request('GET', path)
    if (answer.status !== 200) throw failureOf(answer)
    if (options.output === 'json') {
      deps.stdout.write(await dataText('json', answer.json))
      return
    }
    const { entries, journey = { boots: [] } } = answer.json as {
      entries: TimelineEntry[]
      journey?: Journey
    }
    if (entries.length === 0) deps.stderr.write(`nothing was seen of ${machine} yet\n`)
    const starts = new Set(journey.boots.slice(1).map(({ startedAt }) => startedAt))
    for (const entry of entries) {
      if (entry.stage === 'dhcp-discover' && starts.delete(entry.at)) deps.stdout.write('-- starts anew --\n')
      deps.stdout.write(await lineOf(entry))
    }
    deps.stdout.write(timesText(journey))
  })
}

/** How long it took, from the first DISCOVER of the boot that brought the agent. */
function timesText({ toAgentMs, toPhoneHomeMs }: Journey): string {
  if (toAgentMs === undefined) return ''
  const home = toPhoneHomeMs === undefined ? '' : `, phoned home after ${(toPhoneHomeMs / 1000).toFixed(1)} s`
  return `-- from the first DISCOVER: agent after ${(toAgentMs / 1000).toFixed(1)} s${home} --\n`
}

async function follow(client: Client, path: string, options: Options, deps: CliDeps): Promise<void> {
  const onLine = async (line: unknown) => {
    if (options.output === 'json') deps.stdout.write(`${JSON.stringify(line)}\n`)
    else deps.stdout.write(await lineOf(line as TimelineEntry))
  }
  await client.watch(`${path}?follow=true`, onLine, deps.signal)
}

/** `2026-05-04 14:03:59.120  asked for an address (DISCOVER, UEFI x86-64)`, local time. */
async function lineOf(entry: TimelineEntry): Promise<string> {
  const { describe } = await import('../timeline/describe.ts')
  return `${localText(entry.at)}  ${plainText(describe(entry))}\n`
}
