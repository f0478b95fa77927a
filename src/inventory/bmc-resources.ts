import type { BmcMachine, BmcMachineSpec } from '../model/bmc-machine.ts'
import { apiVersionOf } from '../model/kinds.ts'
import type { NewObject } from '../model/object.ts'
import type { Secret } from '../model/secret.ts'
import type { Bmc, Row } from './row.ts'

type Connection = NonNullable<BmcMachineSpec['connection']>
type ProviderOptions = NonNullable<Connection['providerOptions']>

/** A Secret before it is stored. */
export type NewSecret = NewObject & Pick<Secret, 'data' | 'type'>

/** EKS Anywhere moves these Secrets along with the cluster. */
const moveLabel = 'clusterctl.cluster.x-k8s.io/move'

export const secretNameOf = ({ hostname }: Row): string => `bmc-${hostname}-auth`

/** The BMC of one row, as `eksctl anywhere generate hardware` writes it: Redfish, certificates not checked. */
export function machineOf(row: Row, bmc: Bmc, name: string): NewObject<BmcMachineSpec> {
  return {
    apiVersion: apiVersionOf('Machine'),
    kind: 'Machine',
    metadata: { name, namespace: row.namespace },
    spec: {
      connection: {
        host: bmc.ip,
        authSecretRef: { name: secretNameOf(row), namespace: row.namespace },
        insecureTLS: bmc.insecureTls ?? true,
        ...withPort(bmc, { preferredOrder: bmc.providers ?? ['gofish'] }),
      },
    },
  }
}

/**
 * What a row says of a BMC Machine that exists; what the file does not say is kept.
 * @param ownSecret whether its credentials are to be those of the row's own Secret
 */
export function mergedMachine(stored: BmcMachine, row: Row, bmc: Bmc, ownSecret: boolean): BmcMachine {
  const { connection } = stored.spec ?? {}
  const { providerOptions } = connection ?? {}
  const options = bmc.providers ? { ...providerOptions, preferredOrder: bmc.providers } : providerOptions
  return {
    ...stored,
    spec: {
      ...stored.spec,
      connection: {
        ...(connection ?? { insecureTLS: true }),
        host: bmc.ip,
        ...(ownSecret ? { authSecretRef: { name: secretNameOf(row), namespace: row.namespace } } : {}),
        ...(bmc.insecureTls === undefined ? {} : { insecureTLS: bmc.insecureTls }),
        ...withPort(bmc, options),
      },
    },
  }
}

/** A port is that of the preferred protocol: the BMC controllers of Tinkerbell read it only there. */
function withPort(
  { port }: Bmc,
  options: ProviderOptions | undefined,
): Pick<Connection, 'port' | 'providerOptions'> {
  if (port === undefined) return options ? { providerOptions: options } : {}
  const first = options?.preferredOrder?.[0]?.toLowerCase() ?? 'gofish'
  const protocol = ({ gofish: 'redfish', ipmitool: 'ipmitool', intelamt: 'intelAMT' } as const)[first]
  if (!protocol) return { port, ...(options ? { providerOptions: options } : {}) }
  return { port, providerOptions: { ...options, [protocol]: { ...options?.[protocol], port } } }
}

/** Kubernetes' basic-auth Secret with the credentials of a BMC. */
export function secretOf(row: Row, bmc: Bmc): NewSecret {
  return {
    apiVersion: apiVersionOf('Secret'),
    kind: 'Secret',
    metadata: { name: secretNameOf(row), namespace: row.namespace, labels: { [moveLabel]: 'true' } },
    type: 'kubernetes.io/basic-auth',
    data: credentialsOf(bmc),
  }
}

export function mergedSecret(stored: Secret, bmc: Bmc): Secret {
  return { ...stored, data: { ...stored.data, ...credentialsOf(bmc) } }
}

export const credentialsOf = ({ username, password }: Pick<Bmc, 'username' | 'password'>) => ({
  username: toBase64(username),
  password: toBase64(password),
})

/** Whether a Secret says what the row says. */
export function holds(secret: Secret | undefined, bmc: Bmc): boolean {
  const { username, password } = credentialsOf(bmc)
  return secret?.data?.['username'] === username && secret.data['password'] === password
}

const toBase64 = (text: string) => Buffer.from(text, 'utf8').toString('base64')

export const fromBase64 = (text: string) => Buffer.from(text, 'base64').toString('utf8')
