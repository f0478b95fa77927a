import { once } from 'node:events'
import { connect } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import type { Readable } from 'node:stream'
import { readKubeconfig } from '../../src/cli/kubeconfig.ts'

/** Where a server's API is and how to prove who one is. */
export type Api = { url: string; ca: string; token: string }

export type Answer = { status: number; bytes: number; body: Buffer }

/** One HTTP/2 connection. */
export type Connection = Disposable & {
  session: ClientHttp2Session
  /** Sends one request; the body, if any, is JSON unless `headers` say otherwise. Resolves with the whole answer. */
  request(
    method: string,
    path: string,
    body?: string | Readable,
    headers?: Record<string, string>,
  ): Promise<Answer>
  /** Opens a request whose answer does not end. */
  stream(path: string): ClientHttp2Stream
}

/** The collection of Hardware of one namespace, and of all. */
export const allHardware = '/apis/tinkerbell.org/v1alpha1/hardware'
export const namespace = 'eksa-system'
export const hardwarePath = `/apis/tinkerbell.org/v1alpha1/namespaces/${namespace}/hardware`
export const mergePatch = { 'content-type': 'application/merge-patch+json' }

/** @throws AppError NotFound when the server has written no kubeconfig yet */
export function createApi(kubeconfigPath: string): Api {
  const { server, ca, token } = readKubeconfig(kubeconfigPath)
  if (!ca || !token) throw new Error(`${kubeconfigPath} has no CA or no token`)
  return { url: server, ca, token }
}

/** Bytes that may be on their way before the other end has to say more, as curl asks for. */
const windowBytes = 16 * 1024 * 1024

export async function openConnection({ url, ca, token }: Api): Promise<Connection> {
  const session = connect(url, { ca, settings: { initialWindowSize: windowBytes } })
  await once(session, 'connect')
  session.setLocalWindowSize(windowBytes)
  session.on('error', () => {})
  const authorization = `Bearer ${token}`
  const request: Connection['request'] = (method, path, body, headers = {}) => {
    const type = body === undefined ? {} : { 'content-type': 'application/json' }
    const sent = { ':method': method, ':path': path, authorization, ...type, ...headers }
    const stream = session.request(sent, { endStream: body === undefined })
    if (typeof body === 'string') stream.end(body)
    else body?.on('error', (error) => stream.destroy(error)).pipe(stream)
    return answerOf(stream)
  }
  return {
    session,
    request,
    stream: (path) => session.request({ ':path': path, authorization }),
    [Symbol.dispose]: () => session.destroy(),
  }
}

function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let status = 0
    const chunks: Buffer[] = []
    stream.once('response', (headers) => (status = headers[':status'] ?? 0))
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.once('error', reject)
    stream.once('close', () => reject(new Error('the stream was closed')))
    stream.once('end', () => {
      const body = Buffer.concat(chunks)
      resolve({ status, bytes: body.length, body })
    })
  })
}

/** @throws Error with what the server said, unless it answered 2xx */
export function accepted(answer: Answer): Answer {
  if (answer.status >= 200 && answer.status < 300) return answer
  throw new Error(`answered ${answer.status}: ${answer.body.toString('utf8').slice(0, 500)}`)
}

/** Imports hardware.csv. @throws Error when it is refused */
export async function importCsv(connection: Connection, body: Readable, bytes: number): Promise<void> {
  const headers = { 'content-type': 'text/csv', 'content-length': String(bytes) }
  accepted(await connection.request('POST', '/ironwake/v1/hardware/import', body, headers))
}
