import { createConnection, createServer } from 'node:net'

/**
 * A program of its own, run inside a network namespace: hands each connection to a Unix socket on to a TCP address.
 * Unix sockets are found by path, so that a process outside the namespace reaches the servers inside.
 * Arguments: path of the socket, host, port.
 */
const [path = '', host = '', port = ''] = process.argv.slice(2)

const server = createServer({ allowHalfOpen: true }, (outside) => {
  const inside = createConnection({ host, port: Number(port), allowHalfOpen: true })
  outside.pipe(inside).pipe(outside)
  outside.on('error', () => inside.destroy())
  inside.on('error', () => outside.destroy())
})
server.listen(path)
