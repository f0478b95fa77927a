import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { hitAll, installUnderFire, openSite, seedOf, told } from './campaign.ts'
import type { Install } from './campaign.ts'

t.setTimeout(10 * 60_000)
const seed = seedOf()
const installs: Omit<Install, 'name'>[] = [
  { format: 'zst', end: 'kexec', seed },
  { format: 'raw', end: 'reboot', seed: seed + 1 },
]

t.test(
  'installations end right although the server is killed at every turn',
  { skip: whyNoLab() ?? false },
  async (t) => {
    await using site = await openSite(t)
    const { lab } = site
    const hits: ReadonlySet<string>[] = []
    for (const [index, install] of installs.entries()) {
      const name = `server-${index}`
      const hit = await told(t, site, () =>
        installUnderFire(
          t,
          site,
          { name, ...install },
          async (_moment, dice) => {
            await lab.server.kill('SIGKILL')
            await sleep(dice() * 1500)
            await lab.server.start()
          },
          false,
        ),
      )
      hits.push(hit)
    }
    hitAll(t, hits)
  },
)
