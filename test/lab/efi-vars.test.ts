import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { enrolForShim, enrolKey, readVariables } from '../../src/lab/efi-vars.ts'
import { ovmf } from '../../src/lab/qemu.ts'

const withKeys = '/usr/share/OVMF/OVMF_VARS_4M.ms.fd'
const skip = (!existsSync(ovmf.vars) || !existsSync(withKeys)) && 'the UEFI firmware (ovmf) is not installed'

t.test("variables are read as Debian's firmware with Microsoft's keys has them", { skip }, async (t) => {
  const found = readVariables(readFileSync(withKeys))
  const names = found.map(({ name }) => name)
  for (const name of ['PK', 'KEK', 'db', 'dbx', 'SecureBootEnable']) t.ok(names.includes(name), name)
  const db = found.find(({ name }) => name === 'db')!
  t.match(new TextDecoder('latin1').decode(db.data), 'Microsoft Corporation UEFI CA 2011')
})

t.test('keys are enrolled in the form that the firmware has them in', { skip }, async (t) => {
  const model = readVariables(readFileSync(withKeys))
  const certificate = Uint8Array.from({ length: 701 }, (_, index) => index)
  const made = enrolKey(readFileSync(ovmf.vars), certificate)
  t.equal(made.length, readFileSync(ovmf.vars).length)
  const found = readVariables(made)
  for (const name of ['PK', 'KEK', 'db', 'SecureBootEnable']) {
    const wanted = model.find((variable) => variable.name === name)!
    const { vendor, attributes } = wanted
    t.match(
      found.find((variable) => variable.name === name),
      { vendor, attributes },
      name,
    )
  }
  const { data } = found.find(({ name }) => name === 'db')!
  t.same(data.subarray(0, 16), model.find(({ name }) => name === 'db')!.data.subarray(0, 16), 'an X.509 list')
  t.same(data.subarray(44), certificate)
})

t.test("a key for shim comes after those of the firmware's maker", { skip }, async (t) => {
  const model = readVariables(readFileSync(withKeys))
  const found = readVariables(enrolForShim(readFileSync(withKeys), Uint8Array.of(1, 2, 3)))
  t.same(found.slice(0, -1), model)
  t.match(found.at(-1), { name: 'MokList', attributes: 3 })
})

t.test('an image that has keys, and what is no image, are refused', { skip }, async (t) => {
  t.throws(() => enrolKey(readFileSync(withKeys), Uint8Array.of(1)), { message: 'the image has keys' })
  t.throws(() => readVariables(new Uint8Array(1024)), { message: /^no EDK2 variable store/ })
})
