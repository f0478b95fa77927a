import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { readParts, startLab } from '../../src/lab/scenario.ts'
import type { Hardware } from '../../src/model/hardware.ts'

t.setTimeout(8 * 60_000)

const flags = ['--dhcp-pool-range', '192.168.77.100-192.168.77.109', '--discovery-enabled', 'true']
const mac = '52:54:00:77:09:11'

/** Real firmware, iPXE, kernel and agent of a machine that no Hardware knows. */
t.test('an unknown machine boots and becomes Hardware', { skip: whyNoLab() ?? false }, async (t) => {
  await using lab = await startLab({ parts: readParts(), flags })
  const machine = await lab.machine({ name: 'new', firmware: 'uefi', mac })
  await machine.powerOn()
  try {
    await lab.waitForStage(mac, 'discovered', 6 * 60_000)
  } catch (error) {
    for (const { text } of machine.lines.slice(-40)) t.comment(text)
    throw error
  }
  const path = '/apis/tinkerbell.org/v1alpha1/namespaces/default/hardware/discovery-52-54-00-77-09-11'
  t.match((await lab.api.request('GET', path)) as Hardware, {
    metadata: { labels: { 'tinkerbell.org/auto-discovered': 'true' } },
    spec: { agentID: mac, interfaces: [{ dhcp: { mac } }] },
  })
})
