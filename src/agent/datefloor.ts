import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'

/**
 * The time at which the server's certificate begins to be valid: a lower bound of the present, proved by the pinned CA.
 * For machines whose battery is flat, and which therefore take a good certificate for one of the future.
 * @param target host:port
 * @returns epoch ms; `undefined` when nobody answers or the certificate is not from that CA
 */
export function provenTime(target: string, ca: string): Promise<number | undefined> {
  const at = target.lastIndexOf(':')
  const address = { host: target.slice(0, at), port: Number(target.slice(at + 1)) }
  return new Promise((resolve) => {
    const socket = connect({ ...address, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
      const certificate = socket.getPeerX509Certificate()
      const proven = certificate?.verify(new X509Certificate(ca).publicKey) ?? false
      resolve(proven && certificate ? Date.parse(certificate.validFrom) : undefined)
      socket.destroy()
    })
    socket.setTimeout(5000, () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.on('error', () => resolve(undefined))
  })
}
