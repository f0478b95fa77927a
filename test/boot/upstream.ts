import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A web server whose every path is one answer; it keeps the requests in order. */
export async function upstreamOf(t: Test, answers: Record<string, Answer>) {
  const requests: { path: string; range: string | undefined; headers: IncomingMessage['headers'] }[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push({ path, range: request.headers.range, headers: request.headers })
    const answer = answers[path]
    if (answer) answer(request, response)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  t.teardown(close)
  const asked = (path: string) => requests.filter((request) => request.path === path)
  return { url: `http://127.0.0.1:${port}`, requests, asked, answers, close }
}

export type Served = {
  etag?: string
  lastModified?: string
  ranges?: boolean
  breakAt?: (request: number) => number
}

/** Gives `bytes` as web servers do; `breakAt`: of the n-th request the connection is cut after so many bytes. */
export function serving(bytes: Buffer | (() => Buffer), served: Served = {}): Answer {
  const { etag, lastModified, ranges = true, breakAt } = served
  let count = 0
  return (request, response) => {
    const body = typeof bytes === 'function' ? bytes() : bytes
    const validators = { ...(etag && { etag }), ...(lastModified && { 'last-modified': lastModified }) }
    if (etag && request.headers['if-none-match'] === etag)
      return void response.writeHead(304, validators).end()
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const condition = request.headers['if-range']
    const isPart =
      ranges && from > 0 && (condition === undefined || condition === etag || condition === lastModified)
    const part = isPart ? body.subarray(from) : body
    const range = { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }
    response.writeHead(isPart ? 206 : 200, {
      'content-length': part.length,
      ...validators,
      ...(isPart && range),
    })
    const end = breakAt?.(count) ?? Infinity
    count += 1
    if (end >= part.length) return void response.end(part)
    response.write(part.subarray(0, end), () => setTimeout(() => response.destroy(), 20))
  }
}
