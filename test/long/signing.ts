import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { enrolForShim, enrolKey } from '../../src/lab/efi-vars.ts'
import { firmwareImages } from '../../src/lab/qemu.ts'
import type { LabParts } from '../../src/lab/scenario.ts'

/** An operator's own Secure Boot key: PEM files, and the certificate as DER. */
export type OwnKey = { key: string; certificate: string; der: Uint8Array }

/** UEFI variables of machines that trust Microsoft's keys, as bought; of Debian's `ovmf`. */
export const microsoftVars = '/usr/share/OVMF/OVMF_VARS_4M.ms.fd'

/** Programs and firmware that the Secure Boot tests need. */
export const signingNeeds: readonly string[] = [
  '/usr/bin/sbsign',
  '/usr/bin/sbverify',
  '/usr/bin/openssl',
  '/usr/bin/curl',
  firmwareImages['secure-boot'].code,
  microsoftVars,
]

/** Makes a key in `folder`. */
export function makeKey(folder: string): OwnKey {
  const at = (name: string) => join(folder, name)
  const request = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', '-subj', '/CN=Operator']
  run('openssl', 'req', ...request, '-keyout', at('own.key'), '-out', at('own.pem'))
  run('openssl', 'x509', '-in', at('own.pem'), '-outform', 'der', '-out', at('own.der'))
  return { key: at('own.key'), certificate: at('own.pem'), der: readFileSync(at('own.der')) }
}

/** Variables of a machine that trusts the operator's key and no other. @returns their file */
export function ownVars({ der }: OwnKey, folder: string): string {
  const path = join(folder, 'own.vars')
  writeFileSync(path, enrolKey(readFileSync(firmwareImages['secure-boot'].vars), der))
  return path
}

/** Variables of a machine that trusts Microsoft, and whose shim trusts the operator's key. @returns their file */
export function shimVars({ der }: OwnKey, folder: string): string {
  const path = join(folder, 'shim.vars')
  writeFileSync(path, enrolForShim(readFileSync(microsoftVars), der))
  return path
}

/** A copy of the files of `from`, below `folder`. @returns the new folder */
export function copyOf(from: string, folder: string, name: string): string {
  const to = join(folder, name)
  mkdirSync(to)
  for (const file of readdirSync(from).filter((file) => !file.startsWith('.')))
    copyFileSync(join(from, file), join(to, file))
  return to
}

/** Copies of set-up's boot programs and netboot OS, with iPXE for x64 UEFI and the kernel signed. */
export function signedParts(parts: LabParts, own: OwnKey, folder: string): LabParts {
  const ipxeDir = copyOf(parts.ipxeDir, folder, 'ipxe')
  const osDir = copyOf(parts.osDir, folder, 'os')
  sign(own, join(ipxeDir, 'ipxe.efi'))
  sign(own, join(osDir, 'vmlinuz-x86_64'))
  return { ...parts, ipxeDir, osDir }
}

export function sign({ key, certificate }: OwnKey, path: string): void {
  run('sbsign', '--key', key, '--cert', certificate, '--output', path, path)
  run('sbverify', '--cert', certificate, path)
}

export const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
