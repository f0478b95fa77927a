import { stringify } from 'yaml'
import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { namespace } from '../../src/lab/install.ts'
import { readParts, startLab } from '../../src/lab/scenario.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { checkInstalled, told } from './campaign.ts'
import { ended, makeImages, usualActions } from './install.ts'
import { createProcessMachine } from './machine.ts'

t.setTimeout(5 * 60_000)

const flags = Object.entries({
  'dhcp-pool-range': '192.168.77.100-192.168.77.109',
  'discovery-enabled': 'true',
  'discovery-auto-enrollment': 'true',
  'discovery-namespace': namespace,
}).flatMap(([name, value]) => [`--${name}`, value])
const rule = JSON.stringify({
  cpu: { totalCores: [{ numeric: ['>=', 1] }] },
  memory: { total: [{ regexp: '[0-9]+[GT]B' }] },
})
const apiVersion = 'tinkerbell.org/v1alpha1'

t.test(
  'a machine that nobody has entered boots, is discovered, and is installed by a rule set',
  { skip: whyNoLab() ?? false },
  async (t) => {
    await using lab = await startLab({ parts: { ...readParts(), imageDir: t.testdir({}) }, flags })
    const images = await makeImages(lab, 16)
    await using machine = await createProcessMachine(lab, {
      name: 'm9',
      mac: '52:54:00:77:09:01',
      diskMib: 128,
    })
    const name = machine.mac.replaceAll(':', '-')
    await told(t, { lab, machine, images, [Symbol.asyncDispose]: async () => {} }, async () => {
      await machine.powerOn()
      const boot = machine.ended()
      const { facts } = await lab.waitForStage(machine.mac, 'discovered', 60_000)
      t.equal(facts['hardware'], `${namespace}/discovery-${name}`)
      await lab.waitForStage(machine.mac, 'not-enrolled', 60_000)
      const path = `/apis/${apiVersion}/namespaces/${namespace}/hardware/discovery-${name}`
      const hardware = (await lab.api.request('GET', path)) as Hardware
      t.match(hardware, {
        metadata: { labels: { 'tinkerbell.org/auto-discovered': 'true' } },
        spec: { agentID: machine.mac, interfaces: [{ dhcp: { mac: machine.mac } }] },
      })
      const actions = usualActions(lab, machine.disk, images.zst, 'reboot').map(({ image, ...rest }) => ({
        image: `127.0.0.1/embedded/${image}`,
        timeout: 120,
        ...rest,
      }))
      const tasks = [{ name: 'install', worker: '{{.device_1}}', actions }]
      const data = stringify({ version: '0.1', name: 'install', global_timeout: 600, tasks })
      await lab.api.create({
        apiVersion,
        kind: 'Template',
        metadata: { name: 'install', namespace },
        spec: { data },
      })
      const workflow = { template: { agentValue: 'device_1', ref: 'install' } }
      const metadata = { name: 'any', namespace }
      await lab.api.create({
        apiVersion,
        kind: 'WorkflowRuleSet',
        metadata,
        spec: { rules: [rule], workflow },
      })
      await lab.waitForStage(machine.mac, 'enrolled', 60_000)
      const { status } = await ended(lab, `enrollment-${name}`)
      t.equal(status?.state, 'SUCCESS')
      t.equal(await boot, 'reboot')
      await checkInstalled(t, { lab, machine, images, [Symbol.asyncDispose]: async () => {} }, false)
      await machine.powerOn()
      t.equal(await machine.ended(), 'disk', 'at its next boot the machine is sent to its disk')
      t.match(await lab.cli('timeline', machine.mac), /was unknown, and is Hardware/)
    })
  },
)
