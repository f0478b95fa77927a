/** What a path of the boot service gives. */
export type Serves =
  | 'script'
  | 'own-script'
  | 'identity'
  | 'binary'
  | 'old-binary'
  | 'tftp-file'
  | 'os-file'
  | 'image'
  | 'cached-image'
  | 'iso'
  | 'alive'
  | 'ready'

/** `path` as the router takes it; a `*` at its end stands for the rest of the path. */
export type BootRoute = { path: string; serves: Serves }

/** What may be done with any of them. */
export const bootMethods: readonly string[] = ['GET', 'HEAD']

/**
 * Every path of the boot service. The ones without `/ipxe/script` and `/ipxe/binary` are where Smee before v0.16 had
 * them: DHCP servers of others still say so.
 */
export const bootRoutes: readonly BootRoute[] = [
  { path: '/ipxe/script/:mac/:nonce/auto.ipxe', serves: 'script' },
  { path: '/ipxe/script/:mac/auto.ipxe', serves: 'script' },
  { path: '/:mac/auto.ipxe', serves: 'script' },
  { path: '/ipxe/script/auto.ipxe', serves: 'own-script' },
  { path: '/auto.ipxe', serves: 'own-script' },
  { path: '/ipxe/identity/:mac/:nonce/identity.cpio', serves: 'identity' },
  { path: '/ipxe/binary/*', serves: 'binary' },
  { path: '/ipxe/*', serves: 'old-binary' },
  { path: '/tftp/*', serves: 'tftp-file' },
  { path: '/os/*', serves: 'os-file' },
  { path: '/images/*', serves: 'image' },
  { path: '/images/cache/*', serves: 'cached-image' },
  { path: '/iso/*', serves: 'iso' },
  { path: '/healthcheck', serves: 'alive' },
  { path: '/healthz', serves: 'alive' },
  { path: '/livez', serves: 'alive' },
  { path: '/readyz', serves: 'ready' },
]
