import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import type { Hardware } from '../../src/model/hardware.ts'
import { findAction } from '../../src/agent/actions/registry.ts'
import { readDocument } from '../../src/workflow/document.ts'
import { renderData } from '../../src/workflow/plan.ts'
import { render } from '../../src/template/render.ts'
import { projectDir } from './files.ts'

const read = async (file: string) =>
  parse(await readFile(join(projectDir, 'deploy/kubernetes', file), 'utf8'))
const device = '52:54:00:00:00:01'
const hardware = {
  apiVersion: 'tinkerbell.org/v1alpha1',
  kind: 'Hardware',
  metadata: { name: 'm1', namespace: 'ns1' },
  spec: { disks: [{ device: '/dev/nvme0n1' }] },
} as Hardware

t.test('the Secret is the one that Cluster API Provider Tinkerbell mounts', async (t) => {
  const secret = await read('kubeconfig-secret.yaml')
  t.match(secret, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'external-tinkerbell-kubeconfig', namespace: 'capt-system' },
  })
  const config = parse(secret.stringData.kubeconfig)
  const [context] = config.contexts
  t.equal(context.name, config['current-context'])
  t.equal(context.context.cluster, config.clusters[0].name)
  t.equal(context.context.user, config.users[0].name)
})

t.test('the cluster and its machines are of the infrastructure provider', async (t) => {
  const cluster = await read('tinkerbellcluster.yaml')
  const apiVersion = 'infrastructure.cluster.x-k8s.io/v1beta1'
  t.match(cluster, { apiVersion, kind: 'TinkerbellCluster', spec: { controlPlaneEndpoint: { port: 6443 } } })
  t.match(await read('tinkerbellmachinetemplate.yaml'), { apiVersion, kind: 'TinkerbellMachineTemplate' })
})

t.test('the machines’ document renders, and the agent has all its actions', async (t) => {
  const { templateOverride } = (await read('tinkerbellmachinetemplate.yaml')).spec.template.spec
  const values = { device_1: device }
  const document = readDocument(render(templateOverride, renderData(hardware, values)))
  const [task] = document.tasks
  t.equal(task?.worker, device)
  const disks = task?.actions.map(({ environment }) => environment['DEST_DISK'])
  t.same(disks, ['/dev/nvme0n1', '/dev/nvme0n1p1', '/dev/nvme0n1p1', undefined])
  for (const { image } of task?.actions ?? []) t.ok(findAction(image))
})
