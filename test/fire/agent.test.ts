import t from 'tap'
import { whyNoLab } from '../../src/lab/ability.ts'
import { hitAll, installUnderFire, openSite, seedOf, told } from './campaign.ts'
import type { Install } from './campaign.ts'

t.setTimeout(10 * 60_000)
const seed = seedOf()
const installs: Omit<Install, 'name'>[] = [
  { format: 'gz', end: 'reboot', seed },
  { format: 'xz', end: 'kexec', seed: seed + 1 },
]

t.test(
  'installations end right although the agent is killed at every turn',
  { skip: whyNoLab() ?? false },
  async (t) => {
    await using site = await openSite(t)
    const hits: ReadonlySet<string>[] = []
    for (const [index, install] of installs.entries()) {
      const name = `agent-${index}`
      const kill = async () => void (await site.machine.killAgent())
      hits.push(await told(t, site, () => installUnderFire(t, site, { name, ...install }, kill, true)))
    }
    hitAll(t, hits)
  },
)
