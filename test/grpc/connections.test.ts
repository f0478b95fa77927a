import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { createConnections } from '../../src/grpc/connections.ts'

t.test('connections that nobody is known by are bounded, and the oldest makes room', async (t) => {
  const warned: unknown[] = []
  const log = { warn: (...words: unknown[]) => void warned.push(words) }
  const connections = createConnections({ now: () => 0 }, log, { ofAddress: 3, inAll: 100 })
  const server = createServer((socket) => {
    connections.add(socket)
    socket.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const open = async (): Promise<Socket> => {
    const before = connections.all().length
    const socket = connect(port, '127.0.0.1').resume()
    await once(socket, 'connect')
    while (connections.all().length <= before) await new Promise((resolve) => setImmediate(resolve))
    return socket
  }
  const known = await open()
  const found = connections.of(`127.0.0.1:${known.localPort}`)
  t.match(found, { address: '127.0.0.1' })
  found!.know()
  const strangers = [await open(), await open(), await open()]
  const closed = once(strangers[0]!, 'close')
  const last = connect(port, '127.0.0.1').resume()
  await closed
  t.same(
    [known, ...strangers].map(({ destroyed }) => destroyed),
    [false, true, false, false],
  )
  t.equal(warned.length, 1, 'and that is told once')
  let isOver = false
  found!.onClose(() => (isOver = true))
  known.destroy()
  while (!isOver) await new Promise((resolve) => setImmediate(resolve))
  t.equal(found!.isOpen(), false)
  t.equal(connections.of(`127.0.0.1:${known.localPort}`), undefined)
  for (const socket of [...strangers, last]) socket.destroy()
  server.close()
})
