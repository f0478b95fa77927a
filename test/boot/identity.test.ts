import t from 'tap'
import type { Test } from 'tap'
import { systemClock } from '../../src/model/clock.ts'
import { parseMac } from '../../src/model/mac.ts'
import type { Machine } from '../../src/model/machine.ts'
import type { SideStore } from '../../src/store/side.ts'
import { openSqlite } from '../../src/store/sqlite.ts'
import { bootIdentity } from '../../src/boot/identity.ts'
import type { IdentityAlarm } from '../../src/boot/identity.ts'
import { mac, machineOf } from './things.ts'

const other = parseMac('52:54:00:00:00:02')!
const clock = { ...systemClock, now: () => 1000 }
const usual = machineOf({ agentId: 'node-one', macs: [mac, other] })

async function identityOn(
  side: SideStore,
  machineByMac: (asked: string) => Machine | undefined = () => usual,
) {
  const alarms: IdentityAlarm[] = []
  const identity = bootIdentity({ side, clock, machineByMac, alarm: (alarm) => void alarms.push(alarm) })
  await identity.load()
  const hello = (token: string, bootId = 'boot-a', agentId = 'node-one') =>
    identity.authenticate({ agentId, bootId, token, sessionKey: '' })
  const resume = (sessionKey: string, bootId = 'boot-a', agentId = 'node-one') =>
    identity.authenticate({ agentId, bootId, token: '', sessionKey })
  const boot = () => identity.token(mac, identity.nonce(mac))!
  return { identity, alarms, hello, resume, boot }
}

async function sideStore(t: Test): Promise<SideStore> {
  const { side, close } = await openSqlite(':memory:', { clock })
  t.teardown(close)
  return side
}

t.test('the nonce stays until the token is exchanged, and fits into a DHCP file field', async (t) => {
  const { identity, hello, boot } = await identityOn(await sideStore(t))
  const nonce = identity.nonce(mac)
  t.match(nonce, /^[0-9a-f]{32}$/)
  t.equal(identity.nonce(mac), nonce)
  t.not(identity.nonce(other), nonce)
  const token = boot()
  t.equal(boot(), token, 'the same for a second download')
  t.match(await hello(token), { mac, sessionKey: /^session\./ })
  t.not(identity.nonce(mac), nonce)
  t.equal(identity.token(mac, nonce), undefined, 'the old nonce gives no token')
  t.equal(identity.token(mac, 'nonsense'), undefined)
})

t.test('a lost answer is not fatal: the same boot gets the same key again', async (t) => {
  const { hello, boot, alarms } = await identityOn(await sideStore(t))
  const token = boot()
  const first = await hello(token)
  t.strictSame(await hello(token), first)
  t.strictSame(alarms, [])
})

t.test('two hellos of one boot at once get the same key', async (t) => {
  const { hello, boot } = await identityOn(await sideStore(t))
  const token = boot()
  const [first, second] = await Promise.all([hello(token), hello(token)])
  t.strictSame(first, second)
  t.match(first, { mac })
})

t.test('another boot with a used token is turned away, and an alarm', async (t) => {
  const { hello, boot, alarms } = await identityOn(await sideStore(t))
  const token = boot()
  const [first, second] = await Promise.all([hello(token), hello(token, 'boot-b')])
  t.match(first, { mac })
  t.strictSame(second, { rejected: 'token-of-another-boot', mac })
  t.strictSame(alarms, [{ mac, why: 'token-of-another-boot', agentId: 'node-one', bootId: 'boot-b' }])
})

t.test('the session of a boot goes on until the next boot has exchanged its token', async (t) => {
  const { hello, resume, boot, alarms } = await identityOn(await sideStore(t))
  const oldToken = boot()
  const first = await hello(oldToken)
  const key = 'sessionKey' in first ? first.sessionKey : ''
  t.strictSame(await resume(key), first)
  const token = boot()
  t.strictSame(await resume(key), first, 'a token that is only made does not end it')
  const second = await hello(token, 'boot-b')
  t.match(second, { mac })
  t.not('sessionKey' in second && second.sessionKey, key)
  t.strictSame(await resume(key), { rejected: 'session-of-an-earlier-boot', mac })
  t.strictSame(await hello(oldToken), { rejected: 'token-of-an-earlier-boot', mac })
  t.strictSame(
    alarms.map(({ why }) => why),
    ['session-of-an-earlier-boot', 'token-of-an-earlier-boot'],
  )
})

t.test('a restart of the server keeps secret, tokens and sessions', async (t) => {
  const side = await sideStore(t)
  const before = await identityOn(side)
  const unused = before.identity.nonce(other)
  const token = before.boot()
  const answer = await before.hello(token)
  const key = 'sessionKey' in answer ? answer.sessionKey : ''
  const after = await identityOn(side)
  t.equal(after.identity.nonce(other), unused)
  t.equal(after.identity.nonce(mac), before.identity.nonce(mac))
  t.strictSame(await after.hello(token), answer)
  t.strictSame(await after.resume(key), answer)
  t.strictSame(await after.hello(token, 'boot-b'), { rejected: 'token-of-another-boot', mac })
})

t.test('a token that the disk does not know yet, after a restored backup, is not taken', async (t) => {
  const side = await sideStore(t)
  const before = await identityOn(side)
  await before.hello(before.boot())
  const second = before.boot()
  const answer = await before.hello(second, 'boot-b')
  const third = before.boot()
  await side.delete('bootSession', `mac/${mac}`)
  const after = await identityOn(side)
  t.strictSame(await after.hello(third, 'boot-c'), { rejected: 'token-unknown', mac })
  t.strictSame(await after.resume('sessionKey' in answer ? answer.sessionKey : '', 'boot-b'), {
    rejected: 'session-unknown',
    mac,
  })
})

t.test('an exchange that cannot be written is not answered and can be asked again', async (t) => {
  const side = await sideStore(t)
  let broken = false
  const put: SideStore['put'] = (...args) =>
    broken ? Promise.reject(new Error('disk full')) : side.put(...args)
  const { hello, boot, identity } = await identityOn({ ...side, put })
  const nonce = identity.nonce(mac)
  const token = boot()
  broken = true
  await t.rejects(Promise.all([hello(token), hello(token)]), { code: 'Unavailable' })
  t.equal(identity.nonce(mac), nonce)
  broken = false
  t.match(await hello(token, 'boot-b'), { mac })
})

t.test('credentials that are not ours', async (t) => {
  const side = await sideStore(t)
  const { identity, hello, resume, boot } = await identityOn(side)
  const token = boot()
  const foreign = (await identityOn(await sideStore(t))).boot()
  const cases: [string, ReturnType<typeof hello>, unknown][] = [
    ['a token of another server', hello(foreign), { rejected: 'token-unknown', mac: undefined }],
    ['nonsense', hello('nonsense'), { rejected: 'token-unknown', mac: undefined }],
    [
      'a token for another machine',
      hello(token.replace('525400000001', '525400000002')),
      { rejected: 'token-unknown', mac: undefined },
    ],
    [
      'a token with another count',
      hello(token.replace('.0.', '.1.')),
      { rejected: 'token-unknown', mac: undefined },
    ],
    ['a token as session key', resume(token), { rejected: 'session-unknown', mac: undefined }],
    ['nothing at all', hello(''), { rejected: 'token-missing', mac: undefined }],
    ['no boot id', hello(token, ''), { rejected: 'boot-id-missing', mac: undefined }],
    ['a boot id with odd characters', hello(token, 'a\nb'), { rejected: 'boot-id-missing', mac: undefined }],
    ['another agent id', hello(token, 'boot-a', 'node-two'), { rejected: 'agent-id-mismatch', mac }],
  ]
  for (const [name, answer, want] of cases) t.strictSame(await answer, want, name)
  t.match(await hello(token, 'boot-a', other), { mac }, "any of the Hardware's MACs will do as agent id")
  t.equal(identity.token(mac, ''), undefined)
})

t.test('a machine whose Hardware is gone is turned away', async (t) => {
  const { hello, boot } = await identityOn(await sideStore(t), () => undefined)
  t.strictSame(await hello(boot()), { rejected: 'machine-unknown', mac })
})

t.test('nothing works before the secret is read', async (t) => {
  const identity = bootIdentity({
    side: await sideStore(t),
    clock,
    machineByMac: () => usual,
    alarm: () => undefined,
  })
  t.throws(() => identity.nonce(mac), { code: 'Unavailable' })
})
