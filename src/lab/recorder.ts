import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { AppError } from '../model/error.ts'
import type { LabNetwork } from './netns.ts'

/** A capture that is being written. */
export type Recording = AsyncDisposable & {
  /** Ends it; the file is whole afterwards. */
  stop(): Promise<void>
}

/**
 * Writes every IPv4 frame at the server's end of the bridge to a pcap file, with tcpdump, until it is stopped.
 * @throws AppError FailedPrecondition with what tcpdump said when it does not start
 */
export async function record(network: LabNetwork, path: string): Promise<Recording> {
  const settings = ['-i', network.bridge, '-w', path, '-Z', 'root', '-s', '4096', '-B', '65536', '-n']
  const [program, args] = network.inside(['tcpdump', ...settings, 'ip'])
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(child, 'close')
  const said: string[] = []
  const listens = new Promise<boolean>((resolve) => {
    createInterface(child.stderr).on('line', (line) => {
      said.push(line)
      if (line.includes('listening on')) resolve(true)
    })
    child.once('error', (error) => said.push(error.message))
    child.once('close', () => resolve(false))
  })
  if (!(await listens)) {
    await ended.catch(() => undefined)
    throw new AppError('FailedPrecondition', `tcpdump does not start: ${said.join('; ')}`)
  }
  const stop = async () => {
    child.kill('SIGINT')
    await ended
  }
  return { stop, [Symbol.asyncDispose]: stop }
}
