import type { Site } from '../lib/bench.ts'
import type { PeerPlan } from '../lib/peer.ts'
import { atftpdProgram } from './atftpd.ts'

/** Other TFTP servers for the files of one folder, each at an address of its own. */

export type Shelf = { folder: string; address: string }

const listens = ({ address }: Shelf): PeerPlan['listens'] => ({
  protocol: 'udp',
  place: { ip: address, port: 69 },
})
const mostReads = 100

/** a thread for each read */
export const atftpd = (shelf: Shelf): PeerPlan => ({
  name: 'atftpd',
  listens: listens(shelf),
  command: async () => [
    atftpdProgram,
    '--daemon',
    '--no-fork',
    '--bind-address',
    shelf.address,
    '--port',
    '69',
    '--user',
    'root',
    '--maxthread',
    String(mostReads),
    '--logfile',
    '/dev/null',
    '--verbose=0',
    shelf.folder,
  ],
})

/** tftpd-hpa: a process for each read */
export const tftpdHpa = (shelf: Shelf): PeerPlan => ({
  name: 'tftpd-hpa',
  listens: listens(shelf),
  command: async () => [
    'in.tftpd',
    '-L',
    '-4',
    '-a',
    `${shelf.address}:69`,
    '-s',
    '-u',
    'root',
    shelf.folder,
  ],
})

/** one process for all */
export const dnsmasq = (shelf: Shelf): PeerPlan => ({
  name: 'dnsmasq',
  listens: listens(shelf),
  command: async () => [
    'dnsmasq',
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--user=root',
    '--port=0',
    '--pid-file=',
    '--bind-interfaces',
    `--listen-address=${shelf.address}`,
    '--log-facility=-',
    '--quiet-tftp',
    '--enable-tftp',
    `--tftp-root=${shelf.folder}`,
    `--tftp-max=${mostReads}`,
  ],
})

/** Addresses beside that of our server, for others on the same ports. */
export const nextAddresses = ({ address }: Site, count: number): string[] =>
  Array.from({ length: count }, (_, at) => address.replace(/\d+$/, String(2 + at)))
