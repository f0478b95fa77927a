import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Script } from 'node:vm'
import t from 'tap'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config.ts'
import { execForm, parseDockerfile } from './dockerfile.ts'
import type { Instruction } from './dockerfile.ts'
import { exposed, projectDir, readProjectFile, settingNames } from './files.ts'

const run = promisify(execFile)
const dockerfile = parseDockerfile(await readProjectFile('Dockerfile'))
const final = dockerfile.stages.at(-1)!
const of = (name: string) => final.instructions.filter((instruction) => instruction.name === name)
const one = (t: Test, name: string): Instruction => {
  t.equal(of(name).length, 1, `one ${name}`)
  return of(name)[0]!
}
const environment = (): Record<string, string> =>
  Object.fromEntries(of('ENV').flatMap(({ words }) => words.map((word) => word.split(/=(.*)/s).slice(0, 2))))

t.test('stages build on the one base image or on each other', async (t) => {
  t.strictSame(
    dockerfile.before.map(({ text }) => text),
    ['NODE_IMAGE=node:24-bookworm-slim'],
  )
  const seen = new Set(['${NODE_IMAGE}'])
  for (const { base, name, instructions } of dockerfile.stages) {
    t.ok(seen.has(base), `FROM ${base}`)
    for (const { name: copy, words } of instructions) {
      const from = copy === 'COPY' && /^--from=(.+)$/.exec(words[0]!)?.[1]
      if (from) t.ok(seen.has(from), `COPY --from=${from}`)
    }
    if (name) seen.add(name)
  }
})

t.test('what is copied from the project is there, and is let through by .dockerignore', async (t) => {
  const [everything, ...kept] = (await readProjectFile('.dockerignore')).trim().split('\n')
  t.equal(everything, '*')
  const copied = dockerfile.stages
    .flatMap(({ instructions }) => instructions)
    .filter(({ name, words }) => name === 'COPY' && !words[0]!.startsWith('--from='))
    .flatMap(({ words }) => words.slice(0, -1))
  for (const path of copied) t.ok(existsSync(join(projectDir, path)), path)
  t.strictSame(new Set(kept), new Set(copied.map((path) => `!${path.replace(/^\.\//, '')}`)))
})

t.test('the image has what package.json ships', async (t) => {
  const { files } = JSON.parse(await readProjectFile('package.json')) as { files: string[] }
  const copied = of('COPY').flatMap(({ words }) => words.slice(0, -1).map((path) => path.split('/').at(-1)))
  for (const path of files) t.ok(copied.includes(path), path)
})

t.test('the ports are those of the default settings', async (t) => {
  t.strictSame(one(t, 'EXPOSE').words.toSorted(), exposed.toSorted())
})

t.test('the settings of the image are settings of the server, and its data is on the volume', async (t) => {
  const { NODE_ENV, ...ours } = environment()
  t.equal(NODE_ENV, 'production')
  const config = loadConfig({ env: ours, flags: {} })
  t.equal(config.dataDir, one(t, 'VOLUME').text)
  const built = dockerfile.stages.find(({ name }) => name === 'boot-files')!.instructions
  for (const dir of [config.osDir, config.ipxeDir])
    t.ok(
      built.some(({ text }) => text.includes(`${dir} `)),
      dir,
    )
})

t.test('it ends as the server ends, and is not root', async (t) => {
  t.equal(one(t, 'STOPSIGNAL').text, 'SIGTERM')
  t.equal(one(t, 'USER').text, 'node')
  t.equal(execForm(one(t, 'ENTRYPOINT')).at(-1), 'ironwake')
  t.strictSame(execForm(one(t, 'CMD')), ['serve'])
})

t.test('its health check is a program', async (t) => {
  const [node, flag, program] = execForm(one(t, 'HEALTHCHECK'))
  t.strictSame([node, flag], ['node', '-e'])
  t.ok(new Script(program!))
  t.match(program, /\/readyz/)
})

const compose = parse(await readProjectFile('docker-compose.yml'))

t.test('Compose gives the container the settings, rights and places that it needs', async (t) => {
  const { ironwake } = compose.services
  for (const name of Object.keys(ironwake.environment)) t.ok(settingNames.has(name), name)
  for (const [, name] of (await readProjectFile('docker-compose.yml')).matchAll(/# (IRONWAKE_\w+):/g))
    t.ok(settingNames.has(name!), name!)
  t.equal(ironwake.volumes[0], `data:${environment()['IRONWAKE_DATA_DIR']}`)
  t.ok('data' in compose.volumes)
  t.strictSame(ironwake.cap_drop, ['ALL'])
  const handedOn = execForm(one(t, 'ENTRYPOINT')).filter((word) => word.startsWith('--ambient-caps='))
  t.strictSame(
    handedOn,
    ironwake.cap_add.map((name: string) => `--ambient-caps=+${name.toLowerCase()}`),
  )
  t.ok(Number.parseInt(ironwake.stop_grace_period, 10) > 10, 'longer than the server takes at most')
})

const composeTool = async (): Promise<[string, string[]] | undefined> => {
  for (const tool of [['docker', 'compose'] as const, ['docker-compose'] as const]) {
    const [program, ...words] = tool
    const answers = await run(program, [...words, 'version']).catch(() => undefined)
    if (answers) return [program, [...words]]
  }
  return undefined
}
const tool = await composeTool()

t.test(
  'Compose reads the file',
  { skip: tool ? false : 'neither docker compose nor docker-compose is installed' },
  async (t) => {
    const [program, words] = tool!
    const env = { ...process.env, IRONWAKE_INTERFACE: 'eth1' }
    const { stdout } = await run(
      program,
      [...words, '-f', join(projectDir, 'docker-compose.yml'), 'config'],
      { env },
    )
    const { ironwake } = parse(stdout).services
    t.equal(ironwake.environment.IRONWAKE_INTERFACE, 'eth1')
    t.equal(ironwake.network_mode, 'host')
  },
)
