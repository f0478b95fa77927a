import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { createWorkflows, importMachines, namespace } from '../../src/lab/install.ts'
import type { Target } from '../../src/lab/install.ts'
import type { LabMachine } from '../../src/lab/machine.ts'
import { readParts } from '../../src/lab/scenario.ts'
import type { Lab, LabParts } from '../../src/lab/scenario.ts'
import type { Hardware } from '../../src/model/hardware.ts'
import { inLab, stageMs, tellTimeline } from '../e2e/steps.ts'
import { readLongParts, whyNoLong } from './parts.ts'
import {
  copyOf,
  makeKey,
  microsoftVars,
  ownVars,
  run,
  shimVars,
  sign,
  signedParts,
  signingNeeds,
} from './signing.ts'

const skip = whyNoLab() ?? whyNoLong(...signingNeeds) ?? false
t.setTimeout(40 * 60_000)

/** A folder of the test's own. */
function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'ironwake-secure-boot-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

t.test(
  "with the operator's key in the firmware, iPXE and kernel signed with it go up to the agent",
  { skip },
  async (t) => {
    const folder = folderOf(t)
    const own = makeKey(folder)
    const parts = signedParts(readParts(), own, folder)
    const target = { name: 'signed-1', mac: '52:54:00:77:04:01', last: 31 }
    await inLab(t, { parts }, async (lab) => {
      servedAsItIs(t, lab, parts, folder)
      const machine = await switchOn(lab, target, ownVars(own, folder))
      await lab.waitForStage(target.mac, 'agent-hello', stageMs)
      saysSecure(t, machine)
      await tellTimeline(t, lab, target.mac)
    })
  },
)

t.test(
  'an unsigned boot program is refused, and the timeline ends with its fetching',
  { skip },
  async (t) => {
    const folder = folderOf(t)
    const target = { name: 'unsigned-1', mac: '52:54:00:77:04:02', last: 32 }
    await inLab(t, {}, async (lab) => {
      const machine = await switchOn(lab, target, ownVars(makeKey(folder), folder))
      await lab.waitForStage(target.mac, 'tftp-read', stageMs)
      const refusal = await machine.waitForLine(/Access Denied|Security Violation/i, stageMs)
      t.comment(`${refusal.at.toFixed(1)} s: ${refusal.text}`)
      const stages = (await lab.timeline(target.mac)).map(({ stage }) => stage)
      t.ok(stages.includes('tftp-read'), 'the whole file was fetched')
      for (const stage of ['boot-script', 'kernel', 'agent-hello'] as const)
        t.notOk(stages.includes(stage), `no ${stage}`)
      await tellTimeline(t, lab, target.mac)
    })
  },
)

t.test(
  "with Microsoft's keys, shim starts iPXE signed by the machine's owner, and that Debian's kernel",
  { skip },
  async (t) => {
    const folder = folderOf(t)
    const own = makeKey(folder)
    const parts = { ...readParts(), ipxeDir: withShim(readParts(), folder) }
    copyFileSync(join(parts.ipxeDir, 'ipxe.efi'), join(parts.ipxeDir, 'grubx64.efi'))
    sign(own, join(parts.ipxeDir, 'grubx64.efi'))
    const target = { name: 'shim-1', mac: '52:54:00:77:04:03', last: 33 }
    await inLab(t, { parts }, async (lab) => {
      const machine = await switchOn(lab, target, shimVars(own, folder), 'shimx64.efi')
      await lab.waitForStage(target.mac, 'agent-hello', 2 * stageMs)
      saysSecure(t, machine)
      await tellTimeline(t, lab, target.mac)
    })
  },
)

t.test(
  "with Microsoft's keys, shim and Debian's GRUB start the netboot OS from a grub.cfg",
  { skip },
  async (t) => {
    const folder = folderOf(t)
    const parts = { ...readParts(), ipxeDir: withShim(readParts(), folder) }
    const lines = [
      'linux /os/vmlinuz-x86_64 hw_addr=$net_default_mac console=ttyS0,115200',
      'initrd /os/initramfs-x86_64',
      'boot',
    ]
    writeFileSync(join(parts.ipxeDir, 'grub.cfg'), `${lines.join('\n')}\n`)
    const target = { name: 'grub-1', mac: '52:54:00:77:04:04', last: 34 }
    await inLab(t, { parts }, async (lab) => {
      const machine = await switchOn(lab, target, microsoftVars, 'shimx64.efi')
      await machine.waitForLine(/ironwake agent: /, 4 * stageMs)
      saysSecure(t, machine)
      const read = (await lab.timeline(target.mac)).flatMap(({ stage, facts }) =>
        stage === 'tftp-read' ? [facts['file']] : [],
      )
      t.match(read, [
        'shimx64.efi',
        'grubx64.efi',
        '/grub/grub.cfg',
        '/os/vmlinuz-x86_64',
        '/os/initramfs-x86_64',
      ])
      await tellTimeline(t, lab, target.mac)
    })
  },
)

/** Set-up's boot programs with Debian's shim and GRUB among them. @returns their folder */
function withShim({ ipxeDir }: LabParts, folder: string): string {
  const made = copyOf(ipxeDir, folder, 'ipxe')
  for (const name of ['shimx64.efi', 'grubx64.efi'])
    copyFileSync(join(readLongParts().signedDir, name), join(made, name))
  return made
}

/** Puts a machine that waits for its Workflow on the network. @param binary boot program instead of the usual one */
async function switchOn(
  lab: Lab,
  target: Target,
  varsTemplate: string,
  binary?: string,
): Promise<LabMachine> {
  await importMachines(lab, [target])
  if (binary) await setBinary(lab, target.name, binary)
  await createWorkflows(lab, [target])
  const machine = await lab.machine({ ...target, firmware: 'secure-boot', varsTemplate })
  await machine.powerOn()
  return machine
}

async function setBinary(lab: Lab, name: string, binary: string): Promise<void> {
  const { spec } = await lab.api.get<Hardware>('Hardware', namespace, name)
  const interfaces = spec?.interfaces?.map((nic) => ({
    ...nic,
    netboot: { ...nic.netboot, ipxe: { binary } },
  }))
  await lab.api.patch('Hardware', namespace, name, { spec: { interfaces } })
}

function saysSecure(t: Test, machine: LabMachine): void {
  const said = machine.lines.map(({ text }) => text)
  t.ok(
    said.some((text) => /secureboot: Secure boot enabled/.test(text)),
    'the kernel says that Secure Boot is on',
  )
}

/** What clients read is byte for byte what lies in the folder: a signature holds for all of a file. */
function servedAsItIs(t: Test, lab: Lab, { ipxeDir, osDir }: LabParts, folder: string): void {
  const { address } = lab.network
  const sources = [
    { url: `tftp://${address}/ipxe.efi`, path: join(ipxeDir, 'ipxe.efi') },
    { url: `http://${address}:7171/ipxe/binary/ipxe.efi`, path: join(ipxeDir, 'ipxe.efi') },
    { url: `http://${address}:7171/os/vmlinuz-x86_64`, path: join(osDir, 'vmlinuz-x86_64') },
  ]
  for (const { url, path } of sources) {
    const got = join(folder, 'got')
    const [program, args] = lab.network.inside(['curl', '-sS', '--fail', '-o', got, url])
    run(program, ...args)
    t.equal(hashOf(got), hashOf(path), `${url} is the signed file`)
  }
}

const hashOf = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
