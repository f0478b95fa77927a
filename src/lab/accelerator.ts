import { spawn } from 'node:child_process'
import { accessSync, constants, copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ovmf, uefiMachine } from './qemu.ts'
import type { Accelerator } from './qemu.ts'

const kvm = ['-accel', 'kvm', '-cpu', 'host']
const tcg = ['-accel', 'tcg']
const probeMs = 12_000

/**
 * KVM when it works, else emulation. A `/dev/kvm` that opens says little: inside some virtual machines firmware dies
 * or kernels hang on it. So UEFI firmware and a kernel are started once per boot of the host, and must get as far as
 * the kernel's complaint that it has no root file system.
 * @param kernel a kernel for the probe
 * @param memoFile where the outcome is remembered until the host boots again
 */
export async function chooseAccelerator(kernel: string, memoFile: string): Promise<Accelerator> {
  const emulate = (why: string): Accelerator => ({ kind: 'tcg', args: tcg, why })
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
  } catch {
    return emulate('no access to /dev/kvm')
  }
  if (!existsSync(kernel)) return emulate(`no kernel to try KVM with: ${kernel}`)
  const host = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const memo = existsSync(memoFile) ? readFileSync(memoFile, 'utf8').trim().split(' ') : []
  const works = memo[0] === host ? memo[1] === 'works' : await probe(kernel)
  writeFileSync(memoFile, `${host} ${works ? 'works' : 'fails'}\n`)
  return works
    ? { kind: 'kvm', args: kvm, why: 'a probe boot worked' }
    : emulate('/dev/kvm is there, but a probe boot did not come up')
}

function probe(kernel: string): Promise<boolean> {
  const vars = join(tmpdir(), `ironwake-probe-${process.pid}.vars`)
  copyFileSync(ovmf.vars, vars)
  const args = [...kvm, ...uefiMachine(vars), '-m', '256', '-nodefaults', '-no-user-config', '-no-reboot']
  args.push('-display', 'none', '-serial', 'stdio', '-kernel', kernel, '-append', 'console=ttyS0 panic=-1')
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return new Promise((resolve) => {
    let text = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), probeMs)
    const end = () => {
      clearTimeout(timer)
      rmSync(vars, { force: true })
      resolve(text.includes('Unable to mount root'))
    }
    child.stdout.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    child.once('error', end)
    child.once('close', end)
  })
}
