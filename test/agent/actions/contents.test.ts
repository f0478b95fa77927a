import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import t from 'tap'
import type { Test } from 'tap'
import { bootconfig, contentsOf } from '../../../src/agent/actions/contents.ts'
import { testMachine, testRun } from '../machine.ts'

const contents = async (environment: Record<string, string>) =>
  (await contentsOf(testRun(environment).run, testMachine({}))).toString()

/** A metadata service. @returns its URL */
async function metadata(t: Test, answers: Record<string, string>): Promise<string> {
  const server = createServer((request, response) => {
    const text = answers[request.url ?? '']
    if (text === undefined) response.statusCode = 404
    response.end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('CONTENTS is taken as it is, and may be missing', async (t) => {
  t.equal(await contents({ CONTENTS: 'ü\n' }), 'ü\n')
  t.equal(await contents({}), '')
})

t.test('a boot configuration is laid out as the kernel reads it: from its end', async (t) => {
  for (const text of ['kernel {}', 'kernel {\n  console = "ttyS1,115200n8"\n}\n', '', 'abc']) {
    const file = bootconfig(text)
    t.equal(file.length % 4, 0)
    t.equal(file.subarray(-12).toString(), '#BOOTCONFIG\n')
    const size = file.readUInt32LE(file.length - 20)
    const data = file.subarray(file.length - 20 - size, file.length - 20)
    t.equal(data.length, file.length - 20, 'there is nothing before it')
    t.equal(data.toString().replace(/\0+$/, ''), text)
    t.equal(data.at(-1), 0)
    t.equal(
      file.readUInt32LE(file.length - 16),
      data.reduce((sum, byte) => sum + byte, 0),
    )
  }
  t.equal(await contents({ BOOTCONFIG_CONTENTS: 'kernel {}' }), bootconfig('kernel {}').toString())
})

t.test('HEGEL_URLS: the user data of the first service that has it', async (t) => {
  const full = await metadata(t, { '/2009-04-04/user-data': '[settings]\n' })
  const empty = await metadata(t, {})
  t.equal(await contents({ HEGEL_URLS: full }), '[settings]\n')
  t.equal(await contents({ HEGEL_URLS: `http://127.0.0.1:1,${empty},${full}/` }), '[settings]\n')
  t.equal(await contents({ HEGEL_URLS: `['${empty}', "${full}"]` }), '[settings]\n')
  const faults = contents({ HEGEL_URLS: `${empty},ftp://x` })
  await t.rejects(
    faults,
    /HEGEL_URLS: no user data: .*answered 404; "ftp:\/\/x": an http or https URL expected/,
  )
})

t.test('STATIC_BOTTLEROCKET: the address of this machine for the interface that is named', async (t) => {
  const own = Object.values(networkInterfaces()).flatMap((list = []) => list)
  const cidrs = own.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ cidr }) => cidr)
  const wanted = { STATIC_BOTTLEROCKET: 'true', IFNAME: 'eno1' }
  if (cidrs.length === 0) return t.rejects(contents(wanted), /this machine has no IPv4 address/)
  const text = await contents(wanted)
  t.match(text, /^version = 2\n\n\[eno1\]\nprimary = true\n\n\[eno1\.static4\]\naddresses = \["[\d./]+"\]\n/)
  t.ok(cidrs.some((cidr) => text.includes(`"${cidr}"`)))
  t.notMatch(text, /via = (?!"\d+\.\d+\.\d+\.\d+"\n)/)
})

const refused = [
  { environment: { STATIC_BOTTLEROCKET: 'true' }, says: /IFNAME is ""/ },
  { environment: { STATIC_BOTTLEROCKET: 'true', IFNAME: 'a]\nb' }, says: /IFNAME is "a\]\nb"/ },
  { environment: { STATIC_NETPLAN: 'true' }, says: /STATIC_NETPLAN is not supported/ },
  { environment: { CONTENTS: 'a', HEGEL_URLS: 'b' }, says: /CONTENTS and HEGEL_URLS are set/ },
]
for (const { environment, says } of refused)
  t.test(`${JSON.stringify(environment)} is refused`, (t) =>
    t.rejects(contents(environment as Record<string, string>), says),
  )
