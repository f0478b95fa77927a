import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'

/** A TFTP client of others, with one set of options. */
export type TftpClient = {
  name: string
  programs: readonly string[]
  /** whether it can ask for this file; yes when left out */
  takes?(file: { name: string; size: number }): boolean
  /** Fetches a file of the server on 127.0.0.1. @throws Error when the client fails */
  get(port: number, remote: string, local: string): Promise<unknown>
}

const exec = promisify(execFile)
const host = '127.0.0.1'
const run = (program: string, ...words: string[]) => exec(program, words, { timeout: 60_000 })

const atftp = (name: string, ...options: string[]): TftpClient => ({
  name,
  programs: ['atftp'],
  get: (port, remote, local) =>
    run(
      'atftp',
      ...options.flatMap((option) => ['--option', option]),
      '-g',
      '-r',
      remote,
      '-l',
      local,
      host,
      `${port}`,
    ),
})
/** Told that a file has no octets (tsize 0), it gives up: "invalid tsize". */
const curl = (name: string, ...words: string[]): TftpClient => ({
  name,
  programs: ['curl'],
  takes: ({ size }) => size > 0 || words.includes('--tftp-no-options'),
  get: (port, remote, local) => run('curl', '-sS', ...words, '-o', local, `tftp://${host}:${port}/${remote}`),
})
const busybox = (name: string, ...words: string[]): TftpClient => ({
  name,
  programs: ['busybox'],
  get: (port, remote, local) =>
    run('busybox', 'tftp', ...words, '-g', '-r', remote, '-l', local, host, `${port}`),
})

/**
 * It knows no options, and takes what is before a colon in a name for a host. By command it would wait 5 s before it
 * repeats a packet.
 */
export const tftpHpa: TftpClient = {
  name: 'tftp-hpa',
  programs: ['tftp'],
  takes: ({ name }) => !name.includes(':'),
  get(port, remote, local) {
    const fetching = run('tftp', '-m', 'binary', host, `${port}`)
    fetching.child.stdin!.end(`rexmt 1\nget ${remote} ${local}\n`)
    return fetching
  },
}

/** Each asks for `netascii`, and writes lines as the system here ends them. */
export const textClients: readonly TftpClient[] = [
  {
    name: 'tftp-hpa in ascii mode',
    programs: ['tftp'],
    get(port, remote, local) {
      const fetching = run('tftp', '-m', 'ascii', host, `${port}`)
      fetching.child.stdin!.end(`rexmt 1\nget ${remote} ${local}\n`)
      return fetching
    },
  },
  atftp('atftp with mode netascii', 'mode netascii'),
]

type Tftp2 = (
  host: string,
  port: number,
) => { read(name: string, push: (piece: Buffer) => void, done: () => void): Promise<void>; close(): void }

/** It knows no options and repeats nothing. It counts blocks past 65535, which no block's number can be. */
const tftp2: TftpClient = {
  name: 'the npm package tftp2',
  programs: [],
  async get(port, remote, local) {
    const client = (createRequire(import.meta.url)('tftp2') as Tftp2)(host, port)
    const pieces: Buffer[] = []
    try {
      await client.read(
        remote,
        (piece) => pieces.push(Buffer.from(piece)),
        () => {},
      )
    } finally {
      client.close()
    }
    await writeFile(local, Buffer.concat(pieces))
  },
}

const wide = ['blksize 1428', 'windowsize 16', 'tsize 0', 'timeout 1']

export const atftpWide = atftp(`atftp with ${wide.join(', ')}`, ...wide)
export const atftpWindow = atftp('atftp with windowsize 16', 'windowsize 16')

export const tftpClients: readonly TftpClient[] = [
  tftpHpa,
  atftp('atftp'),
  atftpWide,
  atftpWindow,
  curl('curl'),
  curl('curl without options', '--tftp-no-options'),
  curl('curl with blksize 1468', '--tftp-blksize', '1468'),
  curl('curl with a blksize beyond the limit', '--tftp-blksize', '8192'),
  busybox('busybox tftp'),
  busybox('busybox tftp with blksize 1468', '-b', '1468'),
  tftp2,
]
