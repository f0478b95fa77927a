import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PeerPlan } from '../lib/peer.ts'
import type { Place } from '../lib/system.ts'

/** nginx with one worker and sendfile, for the files of one folder, as light as it can be set: it keeps no log. */
export const nginx = (files: string, place: Place): PeerPlan => ({
  name: 'nginx',
  listens: { protocol: 'tcp', place },
  async command(folder) {
    const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    const config = [
      'daemon off; worker_processes 1; user root; pid nginx.pid; error_log stderr;',
      'events { worker_connections 64; }',
      'http {',
      '  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;',
      '  default_type application/octet-stream;',
      ...kinds.map((kind) => `  ${kind}_temp_path ${join(folder, 'temp', kind)};`),
      `  server { listen ${place.ip}:${place.port}; root ${files}; }`,
      '}',
      '',
    ]
    await mkdir(join(folder, 'temp'))
    await writeFile(join(folder, 'nginx.conf'), config.join('\n'))
    return ['nginx', '-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')]
  },
})
