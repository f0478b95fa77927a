import type { ImageConfig } from '../oci/manifest.ts'
import type { Mount } from './volume.ts'

/** What is asked of a container besides its image. */
export type Request = {
  /** of the group of its processes, below /sys/fs/cgroup */
  group: string
  command: readonly string[]
  environment: Readonly<Record<string, string>>
  volumes: readonly Mount[]
  /** whether it sees the processes of the machine */
  hostProcesses: boolean
  /** whether it uses the machine's network; else it has none */
  hostNetwork: boolean
  user: User
  hostname: string
}

export type User = { uid: number; gid: number; additionalGids: number[]; home: string }

const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Linux capabilities by their numbers (linux/capability.h). */
const capabilities = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
).split(' ')

const usualMounts: readonly Mount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: [] },
  { destination: '/dev', type: 'bind', source: '/dev', options: ['rbind', 'rw'] },
  { destination: '/sys', type: 'bind', source: '/sys', options: ['rbind', 'rw'] },
]

/**
 * The configuration for an OCI runtime (runtime-spec 1.0.2) of a container that may do all that root may, with the
 * machine's devices, as actions of Tinkerbell have it.
 * @param held the capabilities that this process has to give, a bit each (CapPrm of /proc/self/status)
 * @throws Error when neither the image nor the action says what to run
 */
export function runtimeSpec(image: ImageConfig, request: Request, held: bigint) {
  const all = capabilities.filter((_name, bit) => (held >> BigInt(bit)) & 1n).map((name) => `CAP_${name}`)
  const { uid, gid, additionalGids } = request.user
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid, gid, additionalGids },
      args: argumentsOf(image, request.command),
      env: environmentOf(image, request),
      cwd: image.folder.startsWith('/') ? image.folder : `/${image.folder}`,
      capabilities: { bounding: all, effective: all, permitted: all, inheritable: [], ambient: [] },
      oomScoreAdj: 500,
    },
    root: { path: 'rootfs', readonly: false },
    mounts: mountsOf(request.volumes),
    linux: {
      cgroupsPath: request.group,
      namespaces: namespacesOf(request).map((type) => ({ type })),
      resources: { devices: [{ allow: true, access: 'rwm' }] },
    },
  }
}

function argumentsOf(image: ImageConfig, command: readonly string[]): string[] {
  const found = [...image.entrypoint, ...(command.length ? command : image.command)]
  if (!found.length) throw new Error('the image does not say what to run: a command expected')
  return found
}

function environmentOf(image: ImageConfig, { environment, hostname, user }: Request): string[] {
  const own = image.environment.map((text) => {
    const at = text.indexOf('=')
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
  })
  const usual = { PATH: usualPath, HOME: user.home, HOSTNAME: hostname }
  const all: Record<string, string> = { ...usual, ...Object.fromEntries(own), ...environment }
  return Object.entries(all).map(([name, value]) => {
    if (!name || name.includes('=') || `${name}${value}`.includes('\0'))
      throw new Error(`"${name}" is no name of an environment variable, or its value has a zero byte`)
    return `${name}=${value}`
  })
}

/** A volume takes the place of a usual mount. */
function mountsOf(volumes: readonly Mount[]): Mount[] {
  const usual = usualMounts.filter(
    (mount) => !volumes.some(({ destination }) => destination === mount.destination),
  )
  return [...usual, ...volumes]
}

function namespacesOf({ hostProcesses, hostNetwork }: Request): string[] {
  return ['mount', 'ipc', ...(hostProcesses ? [] : ['pid']), ...(hostNetwork ? [] : ['network', 'uts'])]
}

/**
 * Who runs in the container, from `USER` of the image: a name or number, with `:GROUP`.
 * @param passwd contents of /etc/passwd of the image
 * @param group contents of its /etc/group
 * @throws Error when the image does not know the name
 */
export function resolveUser(text: string, passwd: string, group: string): User {
  const [name = '', groupName] = text.split(':')
  const rows = (file: string) => file.split('\n').map((line) => line.split(':'))
  const isNumber = /^\d+$/.test(name)
  const row = rows(passwd).find((columns) => (isNumber ? columns[2] : columns[0]) === (name || 'root'))
  if (!row && !isNumber && name && name !== 'root')
    throw new Error(`the image's user "${name}" is not in its /etc/passwd`)
  const groups = rows(group)
  const uid = isNumber ? Number(name) : Number(row?.[2] ?? 0)
  const members = row ? groups.filter((columns) => (columns[3] ?? '').split(',').includes(row[0]!)) : []
  const home = row?.[5] || (uid === 0 ? '/root' : '/')
  if (groupName === undefined) {
    return {
      uid,
      gid: Number(row?.[3] ?? 0),
      additionalGids: members.map((columns) => Number(columns[2])),
      home,
    }
  }
  const found = groups.find((columns) => columns[0] === groupName)?.[2]
  if (found === undefined && !/^\d+$/.test(groupName))
    throw new Error(`the image's group "${groupName}" is not in its /etc/group`)
  return { uid, gid: Number(found ?? groupName), additionalGids: [], home }
}
