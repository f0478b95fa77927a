import t from 'tap'
import { createPatience } from '../../src/cli/patience.ts'
import { AppError } from '../../src/model/error.ts'

/** A runner whose time passes by sleeping alone. */
function patience(signal = new AbortController().signal) {
  const said: string[] = []
  let at = 0
  const deps = {
    now: () => at,
    sleep: async (ms: number) => {
      at += ms
    },
    signal,
  }
  return { patiently: createPatience(deps, (text) => said.push(text)), said, at: () => at }
}
const away = () => new AppError('Unavailable', 'refused')

t.test('a server that comes back is waited for', async (t) => {
  const { patiently, said } = patience()
  let tries = 0
  const work = async () => {
    if (++tries < 5) throw away()
    return 'there'
  }
  t.equal(await patiently(work), 'there')
  t.same(said, ['the server does not answer; trying for 5m00s', 'the server is back after 4s'])
})

t.test('a server that stays away is given up after five minutes', async (t) => {
  const { patiently, said, at } = patience()
  await t.rejects(
    patiently(async () => {
      throw away()
    }),
    { code: 'Unavailable' },
  )
  t.equal(said.length, 1)
  t.equal(at(), 300_000)
})

t.test('any other failure is not waited for', async (t) => {
  const { patiently, said } = patience()
  const work = async () => {
    throw new AppError('NotFound', 'no such workflow')
  }
  await t.rejects(patiently(work), { code: 'NotFound' })
  t.same(said, [])
})

t.test('nobody who was interrupted waits', async (t) => {
  const { patiently, at } = patience(AbortSignal.abort())
  const work = async () => {
    throw away()
  }
  await t.rejects(patiently(work), { code: 'Unavailable' })
  t.equal(at(), 0)
})

t.end()
