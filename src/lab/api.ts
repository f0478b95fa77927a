import { readFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import type { RequestOptions } from 'node:https'
import { parse } from 'yaml'
import { AppError } from '../model/error.ts'
import type { KubeObject, NewObject } from '../model/object.ts'
import { basePathOf, kinds } from '../model/kinds.ts'
import type { KindName } from '../model/kinds.ts'

/** A client of a lab server's API, as its administrator. Failures of the connection are `Unavailable`. */
export type LabApi = {
  /** Any request; the body of a 2xx answer, parsed. @throws AppError Unavailable, Internal with what was answered */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<unknown>
  create<T extends KubeObject>(object: NewObject): Promise<T>
  get<T extends KubeObject>(kind: KindName, namespace: string, name: string): Promise<T>
  /** JSON merge patch */
  patch(kind: KindName, namespace: string, name: string, patch: unknown): Promise<KubeObject>
}

const answerMs = 15_000

/**
 * @param socketPath of the relay into the server's network
 * @param kubeconfigPath read at each request: the server makes it when it first starts
 */
export function createApi(socketPath: string, kubeconfigPath: string): LabApi {
  const request: LabApi['request'] = async (method, path, body, contentType = 'application/json') => {
    const { url, ca, token } = readKubeconfig(kubeconfigPath)
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' }
    const text = body === undefined ? undefined : JSON.stringify(body)
    const answer = await exchange({
      options: {
        socketPath,
        ca,
        host: url.hostname,
        method,
        path,
        agent: false,
        timeout: answerMs,
        headers: { ...headers, ...(text === undefined ? {} : { 'content-type': contentType }) },
      },
      body: text,
    })
    if (answer.status < 300) return parseBody(answer.text)
    const said = answer.text.slice(0, 1000)
    throw new AppError('Internal', `${method} ${path}: answered ${answer.status}: ${said}`)
  }
  const merge = 'application/merge-patch+json'
  return {
    request,
    create: async <T>(object: NewObject) => {
      const collection = pathOf(object.kind as KindName, object.metadata.namespace)
      return (await request('POST', collection, object)) as T
    },
    get: async <T>(kind: KindName, namespace: string, name: string) =>
      (await request('GET', `${pathOf(kind, namespace)}/${name}`)) as T,
    patch: async (kind, namespace, name, patch) =>
      (await request('PATCH', `${pathOf(kind, namespace)}/${name}`, patch, merge)) as KubeObject,
  }
}

function pathOf(kind: KindName, namespace: string): string {
  return `${basePathOf(kinds[kind])}/namespaces/${namespace}/${kinds[kind].plural}`
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

type Kubeconfig = {
  clusters: { cluster: { server: string; 'certificate-authority-data': string } }[]
  users: { user: { token: string } }[]
}

function readKubeconfig(path: string): { url: URL; ca: Buffer; token: string } {
  let config: Kubeconfig
  try {
    config = parse(readFileSync(path, 'utf8')) as Kubeconfig
  } catch (error) {
    throw new AppError('Unavailable', `${path} is not there yet`, { cause: error })
  }
  const [cluster] = config.clusters
  const [user] = config.users
  if (!cluster || !user) throw new AppError('Invalid', `${path} names no cluster or no user`)
  const ca = Buffer.from(cluster.cluster['certificate-authority-data'], 'base64')
  return { url: new URL(cluster.cluster.server), ca, token: user.user.token }
}

type Exchange = { options: RequestOptions; body: string | undefined }

function exchange({ options, body }: Exchange): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const unavailable = (error: Error) =>
      reject(new AppError('Unavailable', `the server's API: ${error.message}`, { cause: error }))
    const request = httpsRequest(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.once('error', unavailable)
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    request.once('timeout', () => request.destroy(new Error(`no answer in ${answerMs} ms`)))
    request.once('error', unavailable)
    request.end(body)
  })
}
