import { Agent, request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { AppError } from '../model/error.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import { discover } from './discover.ts'
import type { Resource } from './discover.ts'
import { failureOf } from './failure.ts'
import { readKubeconfig } from './kubeconfig.ts'

export type Answer = {
  status: number
  /** the parsed body; its text when it is not JSON */
  json: unknown
  headers: IncomingMessage['headers']
}

export type ListOptions = { namespace?: string | undefined; labelSelector?: string | undefined }

/** One connection to a server. Failures are AppErrors with the server's own message. */
export type Client = {
  server: string
  /** namespace of the kubeconfig's context */
  namespace: string
  /** Any request; every HTTP status is an answer. An object is sent as JSON, text as it is. */
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /**
   * Sends a body as it is read and calls `onLine` with each JSON line of the answer. An answer that has no such lines
   * is returned.
   */
  upload(
    path: string,
    body: Readable,
    headers: Record<string, string>,
    onLine: (line: unknown) => void,
  ): Promise<Answer | undefined>
  /** The resource that `word` names: kind, plural, singular or short name, in any case, or `plural.group`. */
  resource(word: string): Promise<Resource>
  /**
   * Path of the collection, or of the object when `name` is given; of all namespaces without `namespace`, which does not
   * count for kinds that are in none.
   */
  path(kind: string, namespace?: string, name?: string): Promise<string>
  list(kind: string, options?: ListOptions): Promise<KubeObject[]>
  get(kind: string, namespace: string, name: string): Promise<KubeObject>
  create(object: NewObject): Promise<KubeObject>
  /** JSON merge patch */
  patch(kind: string, namespace: string, name: string, patch: unknown): Promise<KubeObject>
  delete(kind: string, namespace: string, name: string): Promise<void>
  /**
   * Calls `onEvent` with each JSON line of a stream, one after the other; resolves when the server ends it or `signal`
   * aborts.
   */
  watch(path: string, onEvent: (event: unknown) => void | Promise<void>, signal: AbortSignal): Promise<void>
  close(): void
}

/** How long the server may be silent before it answers, ms. */
const answerMs = 60_000
/** After this long of silence in a stream the connection is probed, ms. */
const keepAliveMs = 15_000

/**
 * A client for the server that a kubeconfig names. Nothing is sent yet.
 * @throws AppError NotFound, Invalid for the kubeconfig
 */
export function connect(kubeconfigPath: string): Client {
  const connection = readKubeconfig(kubeconfigPath)
  const { ca, cert, key, token, verify, serverName } = connection
  const agent = new Agent({
    keepAlive: true,
    rejectUnauthorized: verify,
    ...(ca ? { ca } : {}),
    ...(cert && key ? { cert, key } : {}),
    ...(serverName ? { servername: serverName } : {}),
  })
  const credentials = token ? { authorization: `Bearer ${token}` } : {}
  let resources: Promise<Resource[]> | undefined

  function open(
    method: string,
    path: string,
    { body, headers = {}, signal }: OpenOptions,
  ): Promise<IncomingMessage> {
    const url = new URL(path, connection.server)
    const length = typeof body === 'string' ? { 'content-length': String(Buffer.byteLength(body)) } : {}
    const sent = { accept: 'application/json', ...credentials, ...length, ...headers }
    return new Promise((resolve, reject) => {
      let isAnswered = false
      const request = httpsRequest(url, { method, agent, headers: sent, ...(signal ? { signal } : {}) })
      request.on('response', (response) => {
        isAnswered = true
        resolve(response)
      })
      request.setTimeout(answerMs, () => request.destroy(new Error('no answer for 60 seconds')))
      request.on('error', (error: NodeJS.ErrnoException) => {
        // What breaks later is the reader's to see.
        if (isAnswered) return
        // The server may close an idle connection in the moment in which it is used again.
        const isStale = request.reusedSocket && error.code === 'ECONNRESET' && method === 'GET'
        const again = { headers, ...(body === undefined ? {} : { body }), ...(signal ? { signal } : {}) }
        if (isStale) resolve(open(method, path, again))
        else reject(unreachable(connection.server, error))
      })
      if (body === undefined || typeof body === 'string') request.end(body)
      else body.on('error', (error) => request.destroy(error)).pipe(request)
    })
  }

  const refuse = (error: Error): never => {
    throw unreachable(connection.server, error)
  }

  async function request(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const isText = typeof body === 'string'
    const type = body === undefined || isText ? {} : { 'content-type': 'application/json' }
    const text = body === undefined || isText ? body : JSON.stringify(body)
    const response = await open(method, path, {
      ...(text === undefined ? {} : { body: text }),
      headers: { ...type, ...headers },
    })
    const json = parsed(await textOf(response).catch(refuse))
    return { status: response.statusCode ?? 0, json, headers: response.headers }
  }

  async function upload(
    path: string,
    body: Readable,
    headers: Record<string, string>,
    onLine: (line: unknown) => void,
  ): Promise<Answer | undefined> {
    try {
      const accept = 'application/x-ndjson, application/json'
      const response = await open('POST', path, { body, headers: { accept, ...headers } })
      if (response.headers['content-type']?.startsWith('application/x-ndjson')) {
        for await (const line of linesOf(response, refuse)) onLine(JSON.parse(line))
        return undefined
      }
      const json = parsed(await textOf(response).catch(refuse))
      return { status: response.statusCode ?? 0, json, headers: response.headers }
    } finally {
      // The server may answer before it has read everything.
      body.destroy()
    }
  }

  async function ok<T>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<T> {
    const answer = await request(method, path, body, headers)
    if (answer.status >= 300) throw failureOf(answer)
    return answer.json as T
  }

  async function resource(word: string): Promise<Resource> {
    resources ??= discover(ok)
    const known = await resources.catch((error: unknown) => {
      resources = undefined
      throw error
    })
    const wanted = word.toLowerCase()
    const found = known.find(({ name, singularName, kind, shortNames = [], group }) =>
      [name, singularName, kind.toLowerCase(), ...shortNames, `${name}.${group}`].includes(wanted),
    )
    if (found) return found
    const names = known.map(({ name }) => name).join(', ')
    throw new AppError('BadRequest', `the server has no kind "${word}"; it has ${names}`)
  }

  async function pathOf(kind: string, namespace?: string, name?: string): Promise<string> {
    const { group, version, namespaced, name: plural } = await resource(kind)
    const isInside = namespaced && namespace !== undefined
    const inside = isInside ? `/namespaces/${encodeURIComponent(namespace)}` : ''
    const object = name === undefined ? '' : `/${encodeURIComponent(name)}`
    const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    return `${base}${inside}/${plural}${object}`
  }

  async function watch(
    path: string,
    onEvent: (event: unknown) => void | Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const response = await open('GET', path, { signal })
      response.socket.setTimeout(0)
      response.socket.setKeepAlive(true, keepAliveMs)
      if (response.statusCode !== 200) {
        const json = parsed(await textOf(response).catch(refuse))
        throw failureOf({ status: response.statusCode ?? 0, json })
      }
      for await (const line of linesOf(response, refuse)) await onEvent(JSON.parse(line))
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  return {
    server: connection.server,
    namespace: connection.namespace,
    request,
    upload,
    resource,
    path: pathOf,
    list: async (kind, { namespace, labelSelector } = {}) => {
      const query = labelSelector ? `?labelSelector=${encodeURIComponent(labelSelector)}` : ''
      return (await ok<{ items: KubeObject[] }>('GET', (await pathOf(kind, namespace)) + query)).items
    },
    get: async (kind, namespace, name) => ok('GET', await pathOf(kind, namespace, name)),
    create: async (object) => ok('POST', await pathOf(object.kind, object.metadata.namespace), object),
    patch: async (kind, namespace, name, patch) =>
      ok('PATCH', await pathOf(kind, namespace, name), patch, {
        'content-type': 'application/merge-patch+json',
      }),
    delete: async (kind, namespace, name) => {
      await ok('DELETE', await pathOf(kind, namespace, name))
    },
    watch,
    close: () => agent.destroy(),
  }
}

type OpenOptions = { body?: string | Readable; headers?: Record<string, string>; signal?: AbortSignal }

/** Whole lines that are not empty; a stream that breaks off is refused. */
async function* linesOf(response: IncomingMessage, refuse: (error: Error) => never): AsyncGenerator<string> {
  let rest = ''
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response) {
      const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      yield* lines.filter((line) => line.trim() !== '')
    }
  } catch (error) {
    refuse(error as Error)
  }
  if (rest.trim() !== '') yield rest
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function unreachable(server: string, error: Error): Error {
  const { code = '' } = error as NodeJS.ErrnoException
  if (error.name === 'AbortError') return error
  if (/CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/.test(code)) {
    const text = `the certificate of ${server} is not the one the kubeconfig expects: ${error.message}`
    return new AppError('Unauthorized', text, { cause: error })
  }
  const text = `server not reachable at ${server} (${code || error.message}): is "ironwake serve" running?`
  return new AppError('Unavailable', text, { cause: error })
}
