import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { resolveInside } from '../../src/agent/inside.ts'

function tree(t: Test): string {
  const root = t.testdir({ etc: { 'os-release': '' }, usr: { lib: {} } })
  symlinkSync('/etc', join(root, 'absolute'))
  symlinkSync('../../../../../../../etc', join(root, 'usr/lib/climbing'))
  symlinkSync('usr/lib', join(root, 'lib'))
  symlinkSync('loop', join(root, 'loop'))
  mkdirSync(join(root, 'var'))
  writeFileSync(join(root, 'var/file'), '')
  return root
}

const cases = [
  { path: '/etc/os-release', want: '/etc/os-release', missing: [] },
  { path: '/etc/new', want: '/etc/new', missing: [] },
  { path: '/etc/cloud/cfg.d/x', want: '/etc/cloud/cfg.d/x', missing: ['/etc/cloud', '/etc/cloud/cfg.d'] },
  { path: '/absolute/x', want: '/etc/x', missing: [] },
  { path: '/lib/climbing/passwd', want: '/etc/passwd', missing: [] },
  { path: '/../../etc/x', want: '/etc/x', missing: [] },
]
for (const { path, want, missing } of cases) {
  t.test(`${path} is ${want} inside the root`, async (t) => {
    t.same(await resolveInside(tree(t), path), { path: want, missing })
  })
}

t.test('a loop of links is an error', async (t) => {
  await t.rejects(resolveInside(tree(t), '/loop/x'), /too many levels/)
})

t.test('a file is not a folder', async (t) => {
  await t.rejects(resolveInside(tree(t), '/var/file/x'), /\/var\/file is not a folder/)
})
