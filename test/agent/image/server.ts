import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** An HTTP server until the test ends. @returns the URL of its one file */
export async function serve(t: Test, answer: Answer): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`
}

type Version = { body: Buffer; tags: Record<string, string> }

/**
 * Serves a file with ranges, as of `versions` in turn for each request from the start or with an open end; the answer
 * breaks off after each of `cuts` bytes in turn.
 */
export function files(versions: Version[], cuts: number[] = []): Answer {
  let [current] = versions
  const left = [...versions]
  return (request, response) => {
    const [, from = '0', to] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? []
    if (!to) current = left.shift() ?? current
    const { body, tags } = current!
    const condition = request.headers['if-range']
    const whole =
      condition !== undefined && ![tags['etag'], tags['last-modified']].includes(condition as string)
    const [start, end] = whole ? [0, body.length] : [Number(from), to ? Number(to) + 1 : body.length]
    const part = request.headers.range !== undefined && !whole
    response.writeHead(part ? 206 : 200, {
      ...tags,
      'content-length': end - start,
      ...(part && { 'content-range': `bytes ${start}-${end - 1}/${body.length}` }),
    })
    const cut = to ? undefined : cuts.shift()
    if (cut === undefined) return response.end(body.subarray(start, end))
    return response.write(body.subarray(start, start + cut), () => setTimeout(() => response.destroy(), 20))
  }
}
