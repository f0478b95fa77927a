import { accepted, namespace } from '../lib/api.ts'
import type { Connection } from '../lib/api.ts'
import { createClients } from '../lib/clients.ts'
import { macOf, nameOf } from '../lib/csv.ts'
import type { BenchServer } from '../lib/server.ts'

/** Actions of each Workflow: as many as an installation of EKS Anywhere has, without its restart. */
export const actions = 6
const clientCount = 32

const base = `/apis/tinkerbell.org/v1alpha1/namespaces/${namespace}`
const apiVersion = 'tinkerbell.org/v1alpha1'

const document = `version: "0.1"
name: bench
global_timeout: 6000
tasks:
  - name: install
    worker: "{{.device_1}}"
    volumes: [/dev:/dev, /dev/console:/dev/console]
    actions:
${Array.from(
  { length: actions },
  (_, at) => `      - name: step-${at}
        image: quay.io/tinkerbell/actions/writefile:latest
        timeout: 600
        environment: {DEST_DISK: /dev/nvme0n1p2, FS_TYPE: ext4, DEST_PATH: "/etc/step-${at}", CONTENTS: "for {{.device_1}}"}
`,
).join('')}`

export async function createTemplate(client: Connection): Promise<void> {
  const template = {
    apiVersion,
    kind: 'Template',
    metadata: { name: 'bench', namespace },
    spec: { data: document },
  }
  accepted(await client.request('POST', `${base}/templates`, JSON.stringify(template)))
}

/**
 * One Workflow for each of so many machines, spread over all of them, and so over their connections.
 * @returns epoch ms of the beginning
 */
export async function createWorkflows(server: BenchServer, count: number, of: number): Promise<number> {
  using clients = await createClients(server.api, clientCount)
  const began = performance.timeOrigin + performance.now()
  await clients.work(server, count, async (client, number) => {
    const at = Math.floor((number * of) / count)
    const name = nameOf(at)
    const spec = { templateRef: 'bench', hardwareRef: name, hardwareMap: { device_1: macOf(at) } }
    const workflow = { apiVersion, kind: 'Workflow', metadata: { name, namespace }, spec }
    accepted(await client.request('POST', `${base}/workflows`, JSON.stringify(workflow)))
  })
  return began
}
