const kernelName = /^(?:vmlinuz|vmlinux)(?:-(.+))?$/
/** Beside kernels lie their rescue copies, predecessors, signatures and checksums. */
const notKernels = /rescue|\.(?:old|hmac|sig|sha\d+|bak|dpkg-\w+)$/

/** `6.1.0-50-amd64` of `vmlinuz-6.1.0-50-amd64`; '' when the name has none. */
export function kernelVersion(name: string): string {
  return kernelName.exec(name)?.[1] ?? ''
}

/** The name of the newest kernel among a folder's files; `undefined` when none is there. */
export function newestKernel(names: readonly string[]): string | undefined {
  return names
    .filter((name) => kernelName.test(name) && !notKernels.test(name))
    .sort((a, b) => compareVersions(kernelVersion(a), kernelVersion(b)))
    .at(-1)
}

/** Numbers count as numbers: 6.1.0-9 comes before 6.1.0-50. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [pieces(a), pieces(b)]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [one = '', other = ''] = [left[at], right[at]]
    const difference = Number(one) - Number(other)
    if (Number.isNaN(difference) ? one !== other : difference !== 0)
      return (Number.isNaN(difference) ? one < other : difference < 0) ? -1 : 1
  }
  return 0
}

const pieces = (version: string) => version.match(/\d+|[^\d.-]+/g) ?? []

/** Names of the initial RAM disk that Debian, Fedora, SUSE and Arch give to a kernel's version. */
export function initrdNames(version: string): string[] {
  if (!version) return ['initrd.img', 'initrd', 'initramfs.img']
  return [`initrd.img-${version}`, `initramfs-${version}.img`, `initrd-${version}`, `initramfs-${version}`]
}

/**
 * Where a path of a grub.cfg may be in the file system at hand: as written, below /boot when the menu is of a /boot that
 * is a file system of its own, and without its first folder when it names that mount point or a subvolume.
 */
export function placesOf(path: string): string[] {
  const plain = `/${path.replace(/^\([^)]*\)/, '').replace(/^\/+/, '')}`
  const inner = plain.replace(/^\/[^/]+(?=\/)/, '')
  return [...new Set([plain, `/boot${plain}`, inner])]
}
