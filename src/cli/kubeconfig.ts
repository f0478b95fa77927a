import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { AppError, messageOf } from '../model/error.ts'

/** Where a server is and how to prove who one is. PEM texts. */
export type Connection = {
  server: string
  ca: string | undefined
  cert: string | undefined
  key: string | undefined
  token: string | undefined
  verify: boolean
  /** name that the certificate must be for, when that is not the host of `server` */
  serverName: string | undefined
  /** namespace of the context; `default` when it names none */
  namespace: string
}

type Json = Record<string, unknown>

/**
 * The current context of a kubeconfig. Files named in it are relative to it.
 * @throws AppError NotFound when there is no such file, Invalid when it says too little
 */
export function readKubeconfig(path: string): Connection {
  const config = readYaml(path)
  const context = namedIn(config, 'contexts', config['current-context'], path)
  const { cluster: clusterName, user: userName, namespace } = mapIn(context, 'context')
  const cluster = mapIn(namedIn(config, 'clusters', clusterName, path), 'cluster')
  const user = mapIn(namedIn(config, 'users', userName, path), 'user')
  const server = cluster['server']
  if (typeof server !== 'string' || !URL.canParse(server))
    throw invalid(path, `cluster ${JSON.stringify(clusterName)} has no server URL`)
  const pem = (from: Json, name: string) => embedded(from, name, path)
  const serverName = cluster['tls-server-name']
  const tokenFile = user['tokenFile']
  const token = typeof tokenFile === 'string' ? readText(beside(path, tokenFile)).trim() : user['token']
  return {
    server,
    ca: pem(cluster, 'certificate-authority'),
    cert: pem(user, 'client-certificate'),
    key: pem(user, 'client-key'),
    token: typeof token === 'string' && token !== '' ? token : undefined,
    verify: cluster['insecure-skip-tls-verify'] !== true,
    serverName: typeof serverName === 'string' && serverName !== '' ? serverName : undefined,
    namespace: typeof namespace === 'string' && namespace !== '' ? namespace : 'default',
  }
}

function readYaml(path: string): Json {
  let content: unknown
  try {
    content = parse(readText(path))
  } catch (error) {
    if (error instanceof AppError) throw error
    throw invalid(path, `it is not YAML: ${messageOf(error)}`)
  }
  if (!isMap(content)) throw invalid(path, 'it is empty')
  return content
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : messageOf(error)
    throw new AppError('NotFound', `cannot read ${path}: ${why}`, { cause: error })
  }
}

const isMap = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function mapIn(from: Json, name: string): Json {
  const value = from[name]
  return isMap(value) ? value : {}
}

function namedIn(config: Json, list: string, name: unknown, path: string): Json {
  const entries = config[list]
  const found = Array.isArray(entries)
    ? entries.find((entry) => isMap(entry) && entry['name'] === name)
    : undefined
  if (isMap(found)) return found
  throw invalid(path, `"${list}" has no entry ${JSON.stringify(name) ?? 'for it'}`)
}

const beside = (path: string, file: string): string => resolve(dirname(path), file)

/** `name-data` in base64, else the content of the file `name`. */
function embedded(from: Json, name: string, path: string): string | undefined {
  const data = from[`${name}-data`]
  if (typeof data === 'string' && data !== '') return Buffer.from(data, 'base64').toString('utf8')
  const file = from[name]
  return typeof file === 'string' && file !== '' ? readText(beside(path, file)) : undefined
}

function invalid(path: string, why: string): AppError {
  return new AppError('Invalid', `${path} is not a usable kubeconfig: ${why}`)
}
