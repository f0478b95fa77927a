import { stringify } from 'yaml'
import { kubeconfigOf } from '../model/kubeconfig.ts'
import type { KubeconfigInput } from '../model/kubeconfig.ts'
import { readIfPresent, writeAtomic } from './file.ts'

/** Writes the kubeconfig (0600) unless it already says the same. */
export async function writeKubeconfig(path: string, input: KubeconfigInput): Promise<void> {
  const text = stringify(kubeconfigOf(input), { lineWidth: 0 })
  if ((await readIfPresent(path)) !== text) await writeAtomic(path, text, 0o600)
}
