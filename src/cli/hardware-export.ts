import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { messageOf } from '../model/error.ts'
import { CommandFailed, withClient, withConnection, withExamples } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { failureOf } from './failure.ts'
import { plainText } from './output.ts'

type Options = ConnectOptions & { namespace?: string; selector?: string; withSecrets?: boolean }

/** `hardware export`. */
export function exportCommand(hardware: Command, deps: CliDeps): void {
  const command = hardware
    .command('export [file]')
    .description(
      'write the inventory as CSV, to standard output or to a file; an import of it changes nothing',
    )
    .option('-n, --namespace <name>', 'only this namespace')
    .option('-l, --selector <labels>', 'only machines with these labels')
    .option('--with-secrets', 'also BMC credentials, user-data and vendor-data')
    .action((file: string | undefined, options: Options) => exportFile(file, options, deps))
  withExamples(
    withConnection(command),
    'hardware export > hardware.csv',
    'hardware export -n lab -l type=worker workers.csv',
    'hardware export --with-secrets backup.csv',
  )
}

async function exportFile(file: string | undefined, options: Options, deps: CliDeps): Promise<void> {
  const query = new URLSearchParams({
    ...(options.namespace ? { namespace: options.namespace } : {}),
    ...(options.selector ? { labelSelector: options.selector } : {}),
    ...(options.withSecrets ? { secrets: 'true' } : {}),
  }).toString()
  const answer = await withClient(options, deps, (client) =>
    client.request('GET', `/ironwake/v1/hardware/export?${query}`, undefined, { accept: 'text/csv' }),
  )
  if (answer.status !== 200) throw failureOf(answer)
  const warning = /^299 - "(.*)"$/.exec(answer.headers.warning ?? '')?.[1]
  if (warning !== undefined) deps.stderr.write(`warning: ${plainText(warning)}\n`)
  const text = String(answer.json)
  if (file === undefined || file === '-') {
    deps.stdout.write(text)
    return
  }
  try {
    await writeFile(file, text, { mode: 0o600 })
  } catch (error) {
    throw new CommandFailed(`cannot write ${file}: ${messageOf(error)}`)
  }
}
