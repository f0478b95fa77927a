import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { KubeApp } from './app.ts'

/** Requests that still run when the server closes get this long before their connection is cut, ms. */
const graceMs = 3000

/** Makes `close` end streams first, then connections gracefully, then those that remain. */
export function endConnections(app: KubeApp, shutdown: AbortController): void {
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<Socket>()
  app.server.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => session.destroy())
  })
  app.server.on('secureConnection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  app.server.on('sessionError', () => {})
  app.addHook('preClose', async () => {
    shutdown.abort()
    for (const session of sessions) session.close()
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, graceMs)
    app.server.once('close', () => clearTimeout(timer))
  })
}
