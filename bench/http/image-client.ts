import { readLoad, turns } from '../lib/load.ts'
import type { Load, LoadReading } from '../lib/load.ts'
import { openTcp, receive, send, watchSockets } from '../lib/system.ts'
import type { Place } from '../lib/system.ts'

/** Machines that fetch an image by HTTP again and again, each over a connection of its own, as a program of its own. */
export type ImageLoad = Load & { server: Place; path: string; size: number; clients: number }

/** `work`: octets of images. */
export type ImageReading = LoadReading

const load = readLoad<ImageLoad>()
const { server, path, size, clients } = load
const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${server.ip}\r\n\r\n`)
const input = Buffer.alloc(1 << 20)
const watched = watchSockets(clients)
let octets = 0

/** `left`: octets of the image that have yet to come; `undefined` before the head of the answer. */
const fetches = Array.from({ length: clients }, (_, at) => {
  const socket = openTcp(server)
  watched.set(at, socket)
  send(socket, request)
  return { socket, left: undefined as number | undefined }
})
type Fetch = (typeof fetches)[number]

/** @returns where the image begins in what came */
function headEnd(length: number): number {
  const head = input.toString('latin1', 0, Math.min(length, 4096))
  const end = head.indexOf('\r\n\r\n')
  const promised = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1])
  if (!head.startsWith('HTTP/1.1 200 ') || end < 0 || promised !== size)
    throw new Error(`${path} is not served: ${head.slice(0, Math.max(0, end))}`)
  return end + 4
}

function take(fetch: Fetch): void {
  const length = receive(fetch.socket, input)
  if (length < 0) return
  if (length === 0) throw new Error('the connection has ended')
  const start = fetch.left === undefined ? headEnd(length) : 0
  const left = (fetch.left ?? size) - (length - start)
  octets += length - start
  fetch.left = left > 0 ? left : undefined
  if (left <= 0) send(fetch.socket, request)
}

const reading = turns(
  load,
  () => {
    watched.wait(50)
    for (const [at, fetch] of fetches.entries()) if (watched.isReady(at)) take(fetch)
  },
  () => octets,
)
console.log(JSON.stringify(reading satisfies ImageReading))
