import { once } from 'node:events'
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'

// image-server.ts FILE HOST PORT CUT_BYTES: serves one file with range requests, and breaks each of the first two answers
// off after CUT_BYTES; before the third request is heard it is away for two seconds. Prints each request's range.
const [file = '', host = '', port = '', cut = ''] = process.argv.slice(2)
const size = statSync(file).size
let asked = 0

const server = createServer((request, response) => {
  asked += 1
  const { range, 'if-range': condition } = request.headers
  process.stdout.write(`${range ?? 'whole'} ${condition?.toString() ?? 'unconditional'}\n`)
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
  const partial = range === undefined ? {} : { 'content-range': `bytes ${from}-${size - 1}/${size}` }
  const headers = { etag: '"one"', 'accept-ranges': 'bytes', 'content-length': size - from, ...partial }
  response.writeHead(range === undefined ? 200 : 206, headers)
  const breaks = asked <= 2
  const end = breaks ? Math.min(size, from + Number(cut)) - 1 : size - 1
  const content = createReadStream(file, { start: from, end })
  content.pipe(response, { end: !breaks })
  if (!breaks) return
  content.on('end', () => {
    response.socket?.destroySoon()
    if (asked === 2) goAway()
  })
})

function goAway(): void {
  server.close()
  setTimeout(() => server.listen(Number(port), host), 2000)
}

server.listen(Number(port), host)
await once(server, 'listening')
process.stdout.write('listening\n')
