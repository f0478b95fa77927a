import t from 'tap'
import type { Hardware } from '../../src/model/hardware.ts'
import { machinesOf } from '../../src/model/machine.ts'
import type { Workflow } from '../../src/model/workflow.ts'
import { bootService, curl } from '../boot/service.ts'
import { mac } from '../boot/things.ts'

const stranger = '52:54:00:aa:00:01'
const discovery = {
  unknownMachines: 'netboot-os',
  strangerToken: (asked: string) => `token of ${asked}`,
} as const

t.test('the script for all brings an identity once there is discovery', async (t) => {
  const { base } = await bootService(t, discovery)
  const script = await curl(`${base}/ipxe/script/${stranger}/auto.ipxe`)
  const url = 'http://192.168.77.1:7171/ipxe/identity/${mac}/unknown/identity.cpio'
  t.equal(script.status, 200)
  t.ok(script.body.includes(`\ninitrd --name identity.cpio ${url} && goto`), 'iPXE fills in its MAC')
  t.match(script.body, / initrd=identity\.cpio initrd=initramfs-\$\{arch\} /)
  const without = await bootService(t, { unknownMachines: 'netboot-os' })
  t.notMatch((await curl(`${without.base}/ipxe/script/${stranger}/auto.ipxe`)).body, /identity/)
})

t.test('who gets the identity of an unknown machine', async (t) => {
  const { base } = await bootService(t, discovery)
  const of = (who: string, nonce = 'unknown') => curl(`${base}/ipxe/identity/${who}/${nonce}/identity.cpio`)
  const found = await of(stranger)
  t.equal(found.status, 200)
  t.ok(found.body.includes(`"agentId":"${stranger}","mac":"${stranger}","token":"token of ${stranger}"`))
  t.equal((await of(mac)).status, 404, 'a known machine has one of its own')
  t.equal((await of(stranger, '0123')).status, 404)
  t.equal((await of('nobody')).status, 404)
  const starting = await bootService(t, { ...discovery, ready: () => false })
  t.equal((await curl(`${starting.base}/ipxe/identity/${stranger}/unknown/identity.cpio`)).status, 404)
  const without = await bootService(t)
  t.equal((await curl(`${without.base}/ipxe/identity/${stranger}/unknown/identity.cpio`)).status, 404)
})

t.test('what a machine boots that was only discovered', async (t) => {
  const hardware = {
    metadata: {
      namespace: 'default',
      name: 'discovery-x',
      labels: { 'tinkerbell.org/auto-discovered': 'true' },
    },
    spec: { interfaces: [{ dhcp: { mac } }] },
  } as unknown as Hardware
  const known = { machineByMac: () => machinesOf(hardware)[0], hardware: () => hardware }
  const waiting = [
    { metadata: { namespace: 'default', name: 'w' }, status: { state: 'PENDING' } } as Workflow,
  ]
  const done = [{ metadata: { namespace: 'default', name: 'w' }, status: { state: 'SUCCESS' } } as Workflow]
  const first = async (changes: object, workflows: Workflow[] = []) => {
    const { base } = await bootService(t, { ...known, ...changes }, workflows)
    return (await curl(`${base}/ipxe/script/${mac}/auto.ipxe`)).body
      .split('\n')
      .find((line) => /:$|its own|netboot OS/.test(line))
  }
  t.match(await first(discovery, waiting), /the netboot OS \(Workflow default\/w\)/)
  t.match(await first(discovery), /its own disk \(no Workflow waits for it\)/)
  t.match(await first(discovery, done), /its own disk \(it is installed\)/)
  t.match(await first({}, waiting), /its own disk \(netboot is not allowed\)/)
})
