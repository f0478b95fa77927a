import { Option } from 'commander'
import type { Command } from 'commander'
import { kubeconfigOf } from '../model/kubeconfig.ts'
import { roles } from '../model/role.ts'
import type { Role } from '../model/role.ts'
import type { Client } from './client.ts'
import {
  CommandFailed,
  kubeconfigPath,
  withClient,
  withConnection,
  withExamples,
  withOutput,
} from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { failureOf } from './failure.ts'
import { readKubeconfig } from './kubeconfig.ts'
import { dataText, localText, textTable } from './output.ts'

type Entry = {
  id: string
  name: string
  role: Role
  createdAt: number
  expiresAt: number
  lastUsedAt?: number
}
type WishOptions = ConnectOptions & { role: Role; ttl?: string; name?: string }
type CreateOptions = WishOptions & { output: 'text' | 'json' }
type ListOptions = ConnectOptions & { output: 'table' | 'json' }
type KubeconfigOptions = WishOptions & { clientCertificate?: boolean; server?: string; namespace?: string }

const url = '/ironwake/v1/tokens'

/** `token create|list|revoke` and `kubeconfig`: credentials for others. */
export function tokenCommands(program: Command, deps: CliDeps): void {
  const token = program.command('token').description('tokens with which others use the API, each with a role')
  withExamples(token, 'token create --role capt --ttl 8760h', 'token list', 'token revoke c3k7qmzp2a')
  createCommand(token, deps)
  listCommand(token, deps)
  revokeCommand(token, deps)
  kubeconfigCommand(program, deps)
}

function withWish(command: Command, ttl: string): Command {
  return command
    .addOption(new Option('--role <role>', 'what the holder may do').choices(roles).makeOptionMandatory())
    .option('--ttl <duration>', `how long it holds: 30m, 24h, 90d (default: ${ttl})`)
    .option('--name <name>', 'user name for the audit log (default: made of role and id)')
}

function createCommand(token: Command, deps: CliDeps): void {
  const create = withWish(token.command('create'), '24h')
    .description('make a token and print it; it is not shown again')
    .action(async (options: CreateOptions) => {
      await withClient(options, deps, async (client) => {
        const made = await post<Entry & { token: string }>(client, url, options, '24h')
        deps.stdout.write(options.output === 'json' ? await dataText('json', made) : `${made.token}\n`)
        deps.stderr.write(`${made.name} (${made.role}) holds until ${shortText(made.expiresAt)}\n`)
      })
    })
  withExamples(
    withOutput(withConnection(create), 'text', 'json'),
    'token create --role capt --ttl 8760h --name capt-cluster-1',
    'token create --role viewer -o json',
  )
}

function listCommand(token: Command, deps: CliDeps): void {
  const list = token
    .command('list')
    .description('show the tokens that were made, without their secrets')
    .action(async (options: ListOptions) => {
      await withClient(options, deps, async (client) => {
        const { tokens } = await ok<{ tokens: Entry[] }>(client, 'GET', url)
        if (options.output === 'json') return deps.stdout.write(await dataText('json', tokens))
        if (tokens.length === 0) return deps.stderr.write('nothing found\n')
        return deps.stdout.write(tableOf(tokens, deps.now()))
      })
    })
  withExamples(withOutput(withConnection(list), 'table', 'json'), 'token list', 'token list -o json')
}

function tableOf(tokens: readonly Entry[], now: number): string {
  const headers = ['ID', 'NAME', 'ROLE', 'CREATED', 'EXPIRES', 'LAST USED']
  const rows = tokens.map((token) => [
    token.id,
    token.name,
    token.role,
    shortText(token.createdAt),
    token.expiresAt <= now ? 'expired' : shortText(token.expiresAt),
    token.lastUsedAt === undefined ? 'never' : shortText(token.lastUsedAt),
  ])
  return textTable(headers, rows)
}

/** Local time to the second. */
const shortText = (at: number) => localText(at).slice(0, 19)

function revokeCommand(token: Command, deps: CliDeps): void {
  const revoke = token
    .command('revoke <ids...>')
    .description('take tokens back by id: requests fail from now on, open watches end')
    .action(async (ids: string[], options: ConnectOptions & { output: 'text' | 'json' }) => {
      await withClient(options, deps, async (client) => {
        const revoked: Entry[] = []
        for (const id of ids) {
          revoked.push(await ok<Entry>(client, 'DELETE', `${url}/${encodeURIComponent(id)}`))
          if (options.output === 'text') deps.stdout.write(`${id} revoked\n`)
        }
        if (options.output === 'json') deps.stdout.write(await dataText('json', revoked))
      })
    })
  withExamples(withOutput(withConnection(revoke), 'text', 'json'), 'token revoke c3k7qmzp2a')
}

function kubeconfigCommand(program: Command, deps: CliDeps): void {
  const command = withWish(program.command('kubeconfig'), '365d, with --client-certificate 24h')
    .summary('make credentials and print a kubeconfig')
    .description(
      'make a token, or a client certificate, and print a kubeconfig for kubectl, CAPT and the like',
    )
    .option('--client-certificate', 'a client certificate in place of a token; it cannot be revoked')
    .option('--server <url>', 'address of the server for the reader (default: the one used here)')
    .option('-n, --namespace <name>', 'namespace that it starts in (default: the one used here)')
    .action((options: KubeconfigOptions) =>
      withClient(options, deps, async (client) => {
        const credentials = await credentialsFor(client, options, deps)
        const { ca: caPem, serverName } = readKubeconfig(kubeconfigPath(options, deps.env))
        const server = serverOf(options.server ?? client.server)
        const namespace = options.namespace ?? client.namespace
        const config = kubeconfigOf({ server, caPem, serverName, namespace, ...credentials })
        deps.stdout.write(await dataText('yaml', config))
      }),
    )
  withExamples(
    withConnection(command),
    'kubeconfig --role capt --name capt-cluster-1 > capt.kubeconfig',
    'kubeconfig --role viewer --ttl 8h --client-certificate > viewer.kubeconfig',
  )
}

async function credentialsFor(client: Client, options: KubeconfigOptions, deps: CliDeps) {
  if (!options.clientCertificate) {
    const made = await post<Entry & { token: string }>(client, url, options, '365d')
    deps.stderr.write(`token ${made.id} (${made.role}) holds until ${shortText(made.expiresAt)}\n`)
    return { user: made.name, token: made.token }
  }
  const path = '/ironwake/v1/certificates'
  type Pair = { user: string; certPem: string; keyPem: string; expiresAt: number }
  const { user, certPem, keyPem, expiresAt } = await post<Pair>(client, path, options, '24h')
  deps.stderr.write(`certificate of ${user} (${options.role}) holds until ${shortText(expiresAt)}\n`)
  return { user, certPem, keyPem }
}

function serverOf(text: string): string {
  if (/^https:\/\/[^/]+\/?$/.test(text) && URL.canParse(text)) return text.replace(/\/$/, '')
  throw new CommandFailed(`--server ${text}: expected https://host:port`, 2)
}

async function post<T>(client: Client, path: string, options: WishOptions, ttl: string): Promise<T> {
  const { role, name } = options
  const ttlSeconds = secondsOf(options.ttl ?? ttl)
  return ok<T>(client, 'POST', path, { role, ttlSeconds, ...(name === undefined ? {} : { name }) })
}

async function ok<T>(client: Client, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await client.request(method, path, body)
  if (answer.status >= 300) throw failureOf(answer)
  return answer.json as T
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Seconds of `90d`, `24h`, `1h30m`. */
function secondsOf(text: string): number {
  const parts = [...text.matchAll(/(\d{1,9})([smhd])/g)]
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === text
  const seconds = parts.reduce(
    (sum, [, count, unit = '']) => sum + Number(count) * (unitSeconds[unit] ?? 0),
    0,
  )
  if (isWhole && seconds > 0) return seconds
  throw new CommandFailed(`--ttl ${text}: expected a duration such as 30m, 24h or 90d`, 2)
}
