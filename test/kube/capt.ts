import type { Client } from '../../src/cli/client.ts'
import type { KubeObject } from '../../src/model/object.ts'
import { base, mergePatch, ns1 } from './server.ts'

/** What CAPT holds a Hardware with while it is a machine's. */
export const finalizer = 'infrastructure.cluster.x-k8s.io/tinkerbellmachine'
export const provisioned = 'v1alpha1.tinkerbell.org/provisioned'
/** labels that say whose a Hardware is */
export const label = {
  name: 'v1alpha1.tinkerbell.org/ownerName',
  namespace: 'v1alpha1.tinkerbell.org/ownerNamespace',
}
const json = { 'content-type': 'application/json' }

export type Body = KubeObject & { items: KubeObject[]; spec: any; status: any }
export type Role = 'cp' | 'worker'
export type Machine = { name: string; role: Role }

/** The patch that claims a Hardware for the TinkerbellMachine `default/name`. */
export const claimOf = (name: string, finalizers: readonly string[] = [finalizer]) => ({
  metadata: { labels: { [label.name]: name, [label.namespace]: 'default' }, finalizers },
})

/** The template as CAPT writes it by default, shortened to its actions' kinds. */
export const template = (metadataIp: string) => `version: "0.1"
name: default
global_timeout: 6000
tasks:
- name: install
  worker: "{{.device_1}}"
  volumes: [ "/dev:/dev", "/dev/console:/dev/console", "/lib/firmware:/lib/firmware:ro" ]
  actions:
  - name: "stream image"
    image: quay.io/tinkerbell/actions/oci2disk
    timeout: 600
    environment: { IMG_URL: ghcr.io/org/ubuntu-2004:v1.30.1.gz, DEST_DISK: /dev/vda, COMPRESSED: true }
  - name: "add tink cloud-init config"
    image: quay.io/tinkerbell/actions/writefile
    timeout: 90
    environment: { DEST_DISK: /dev/vda1, FS_TYPE: ext4, DEST_PATH: /etc/cloud/cloud.cfg.d/10_tinkerbell.cfg, UID: 0, GID: 0, MODE: 0600, DIRMODE: 0700, CONTENTS: "metadata_urls: [http://${metadataIp}:50061]" }
  - name: "kexec image"
    image: ghcr.io/jacobweinstock/waitdaemon:0.2.1
    timeout: 90
    pid: host
    environment: { BLOCK_DEVICE: /dev/vda1, FS_TYPE: ext4, IMAGE: quay.io/tinkerbell/actions/kexec, WAIT_SECONDS: 5 }
`

/** The calls of Cluster API Provider Tinkerbell 0.7 in its external mode, for one TinkerbellMachine. */
export function capt(client: Client, { name, role }: Machine) {
  const call = async (method: string, path: string, body?: unknown, headers = json) => {
    const answer = await client.request(method, path, body, body === undefined ? {} : headers)
    return { status: answer.status, body: answer.json as Body }
  }
  const list = async (selector: string) =>
    (await call('GET', `${base}/hardware?labelSelector=${encodeURIComponent(selector)}`)).body.items
  const patch = (hw: KubeObject, change: unknown) =>
    call('PATCH', `${ns1}/hardware/${hw.metadata.name}`, change, mergePatch)

  /** A conflict sends the controller round again. */
  const claim = async (): Promise<KubeObject> => {
    for (;;) {
      const [owned] = await list(`${label.name}=${name},${label.namespace}=default`)
      if (owned) return owned
      const [free] = await list(`type in (${role}),!${label.name}`)
      if (!free) throw new Error('no hardware available')
      const finalizers = [...(free.metadata.finalizers ?? []), finalizer]
      const { status } = await patch(free, claimOf(name, finalizers))
      if (status !== 200 && status !== 409) throw new Error(`claim: answered ${status}`)
    }
  }

  const order = async (hw: Body) => {
    const labels = {
      'capt.tinkerbell.org/machine-name': name,
      'capt.tinkerbell.org/machine-namespace': 'default',
    }
    const metadata = { name, namespace: 'ns1', labels }
    const apiVersion = 'tinkerbell.org/v1alpha1'
    if ((await call('GET', `${ns1}/workflows/${name}`)).status !== 404) throw new Error('there already')
    if ((await call('GET', `${ns1}/templates/${name}`)).status !== 404) throw new Error('there already')
    const text = { apiVersion, kind: 'Template', metadata, spec: { data: template('10.0.0.1') } }
    const made = [(await call('POST', `${ns1}/templates`, text)).status]
    const spec = {
      templateRef: name,
      hardwareRef: hw.metadata.name,
      hardwareMap: { device_1: hw.spec.metadata.instance.id },
      bootOptions: { toggleAllowNetboot: true },
    }
    made.push(
      (await call('POST', `${ns1}/workflows`, { apiVersion, kind: 'Workflow', metadata, spec })).status,
    )
    if (made.some((status) => status !== 201)) throw new Error(`answered ${made.join()}`)
  }

  return {
    call,
    provision: async (): Promise<string> => {
      const hw = (await claim()) as Body
      await patch(hw, {
        spec: { userData: `#cloud-config\n# join ${name} as tinkerbell://ns1/${hw.metadata.name}\n` },
      })
      await order(hw)
      return hw.metadata.name
    },
    markProvisioned: (hw: string) =>
      call(
        'PATCH',
        `${ns1}/hardware/${hw}`,
        { metadata: { annotations: { [provisioned]: 'true' } } },
        mergePatch,
      ),
    release: async (hw: string): Promise<number[]> => {
      const statuses: number[] = []
      for (const path of [`${ns1}/templates/${name}`, `${ns1}/workflows/${name}`]) {
        statuses.push((await call('GET', path)).status, (await call('DELETE', path, {})).status)
      }
      const labels = { [label.name]: null, [label.namespace]: null }
      const change = { metadata: { labels, annotations: { [provisioned]: null }, finalizers: null } }
      statuses.push((await call('PATCH', `${ns1}/hardware/${hw}`, change, mergePatch)).status)
      return statuses
    },
  }
}
