import { execFile } from 'node:child_process'
import dgram from 'node:dgram'
import { promisify } from 'node:util'
import t from 'tap'
import type { Workflow } from '../../src/model/workflow.ts'
import { start } from '../cli/run.ts'
import { absent } from '../interop/spaces.ts'
import { startServer } from '../metrics/running.ts'
import type { Running } from '../metrics/running.ts'
import { runAgent, tasks, until } from './yard.ts'

const mac = '52:54:00:00:00:01'
const namespace = 'default'
const exec = promisify(execFile)

async function freeUdpPort(): Promise<number> {
  const probe = dgram.createSocket('udp4')
  await new Promise<void>((resolve) => probe.bind(0, '127.0.0.1', resolve))
  const { port } = probe.address()
  await new Promise<void>((resolve) => probe.close(() => resolve()))
  return port
}

/** A server that has a machine at 127.0.0.1 and a Workflow of two actions for it. */
async function furnish(grpc: number, syslog: number): Promise<Running> {
  const server = await startServer(`--grpc-port=${grpc}`, `--syslog-port=${syslog}`)
  const ip = { address: '127.0.0.1', netmask: '255.0.0.0' }
  const kinds = { apiVersion: 'tinkerbell.org/v1alpha1', metadata: { namespace, name: 'm1' } }
  await server.client.create({
    ...kinds,
    kind: 'Hardware',
    spec: { interfaces: [{ dhcp: { mac, ip }, netboot: { allowPXE: true } }] },
  } as never)
  await server.client.create({
    ...kinds,
    kind: 'Template',
    spec: { data: tasks({ disk: ['stream', 'grow'] }) },
  } as never)
  await server.client.create({
    ...kinds,
    kind: 'Workflow',
    spec: { templateRef: 'm1', hardwareRef: 'm1', hardwareMap: { device_1: mac } },
  } as never)
  return server
}

const say = (port: number, tag: string, text: string) =>
  exec('logger', ['-n', '127.0.0.1', '-P', `${port}`, '-d', '-t', tag, text])

t.test(
  "syslog of a machine is the output of the action that Tinkerbell's agent runs on it",
  { skip: await absent('logger') },
  async (t) => {
    const [grpc, syslog] = [await freeUdpPort(), await freeUdpPort()]
    await using server = await furnish(grpc, syslog)
    await say(syslog, 'kernel', 'nothing runs yet')
    const following = start(['workflow', 'logs', `${namespace}/m1`, '-f'], server.kubeconfig)
    const agent = runAgent('current', grpc, mac, {
      run: async ({ name }) => {
        await say(syslog, name, `I ${name} the disk`)
        await until('its line is shown', () => following.out.includes(`I ${name} the disk`), 30_000)
        return 'SUCCESS'
      },
    })
    const ended = await following.ended
    await agent.stop()
    t.same(ended.err, '')
    t.match(ended.out, /^\S+ \S+  \[stream\] \(syslog\) stream: I stream the disk$/m)
    t.match(ended.out, /^\S+ \S+  \[grow\] \(syslog\) grow: I grow the disk$/m)
    t.notMatch(ended.out, /nothing runs yet/)
    await say(syslog, 'kernel', 'nothing runs any more')
    const { status } = (await server.client.get('Workflow', namespace, 'm1')) as Workflow
    t.equal(status?.state, 'SUCCESS')
    const path = `/ironwake/v1/workflows/${namespace}/m1/logs`
    const { json } = await server.client.request('GET', path)
    t.match(json, {
      actions: [
        { name: 'stream', lines: [{ line: 0, source: 'syslog', text: 'stream: I stream the disk' }] },
        { name: 'grow', lines: [{ line: 0, source: 'syslog', text: 'grow: I grow the disk' }] },
      ],
    })
  },
)
