import { stringify } from 'yaml'
import { networkConfig } from './network.ts'
import { metaData } from './render.ts'
import type { Tree, TreeRequest } from './render.ts'

/** Folder of the NoCloud files; cloud-init is given its URL with a slash at the end (`seedfrom`). */
export const noCloudFolder = 'nocloud'

/**
 * The files of cloud-init's NoCloud data source. All are always there: cloud-init fails without `meta-data` and
 * `user-data`, and asks ten more times, a second apart, for each of the others that is missing.
 */
export function noCloudTree(request: TreeRequest): Tree {
  const { hardware, userData } = request
  const files = {
    'meta-data': yamlOf(noCloudMetaData(request)),
    'network-config': yamlOf(networkConfig(hardware)),
    'user-data': userData ?? '',
    'vendor-data': hardware.spec?.vendorData ?? '',
  }
  return { [noCloudFolder]: files }
}

/** EC2's names and values, so that a template in user-data works with both; without those that are empty. */
function noCloudMetaData({ machine, hardware }: TreeRequest): object {
  const { 'public-keys': keys, ...values } = metaData(machine, hardware)
  const present = filled(values)
  const publicKeys = Object.values(keys as Tree).map((key) => (key as Tree)['openssh-key'])
  return { ...present, ...(publicKeys.length > 0 && { 'public-keys': publicKeys }) }
}

function filled(tree: Tree): Tree {
  const entries = Object.entries(tree).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : filled(value),
  ])
  return Object.fromEntries(entries.filter(([, value]) => value !== '' && Object.keys(value!).length > 0))
}

/** cloud-init reads YAML 1.1, where `52:54:00:12:34:56` may be a number in base 60 and `no` is false: texts are quoted. */
const yamlOf = (value: object): string =>
  stringify(value, {
    version: '1.1',
    defaultStringType: 'QUOTE_DOUBLE',
    defaultKeyType: 'PLAIN',
    lineWidth: 0,
    aliasDuplicateObjects: false,
  })
