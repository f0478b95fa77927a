import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { extract } from '../../../src/agent/archive/extract.ts'
import { readTar } from '../../../src/agent/archive/tar.ts'
import { systemCommands } from '../../../src/agent/commands.ts'
import { noLoopDevices, ownFolder } from '../loop.ts'

const skip = noLoopDevices()

function done(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** Everything that an archive keeps of the files in a folder. */
function listing(folder: string): string[] {
  const found = done('find', folder, '-printf', '%P %y %m %U %G %T@ %l %D%n\\n'.replace('%D%n', '%n'))
  const lines = found.split('\n').filter(Boolean)
  const devices = done('find', folder, '-type', 'c', '-exec', 'stat', '-c', '%n %t:%T', '{}', '+')
  return [...lines.sort(), devices.replaceAll(folder, '')]
}

/** Files of every kind, with names longer than the header's fields. */
function sampleTree(t: Test): string {
  const folder = ownFolder(t)
  const deep = join(folder, 'deep-'.repeat(12), 'folder-'.repeat(20), 'ü')
  mkdirSync(deep, { recursive: true })
  writeFileSync(join(deep, 'name-'.repeat(30)), 'long')
  writeFileSync(join(folder, 'big'), Buffer.alloc(700_001, 'x'))
  writeFileSync(join(folder, 'empty'), '')
  done('mknod', join(folder, 'device'), 'c', '1', '3')
  done('mknod', join(folder, 'pipe'), 'p')
  symlinkSync('/nowhere/at/all', join(folder, 'link'))
  symlinkSync(`${'../'.repeat(40)}far`, join(folder, 'long-link'))
  done('ln', join(folder, 'big'), join(folder, 'again'))
  done('chown', '4000:70000', join(folder, 'empty'))
  done('chmod', '4751', join(folder, 'big'))
  done('touch', '-h', '-d', '2001-02-03T04:05:06Z', join(folder, 'link'), join(folder, 'empty'), deep)
  return folder
}

async function* inPieces(bytes: Buffer, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function unpacked(
  t: Test,
  archive: Buffer,
  options: { isLayer?: boolean; into?: string; size?: number } = {},
) {
  const into = options.into ?? ownFolder(t)
  const lines: string[] = []
  const signal = new AbortController().signal
  const result = await extract(readTar(inPieces(archive, options.size ?? 4099)), into, {
    commands: systemCommands,
    signal,
    log: (line) => lines.push(line),
    isLayer: options.isLayer ?? false,
  })
  return { into, lines, result }
}

const packed = (folder: string, ...args: string[]) =>
  spawnSync('tar', ['-C', folder, '--numeric-owner', ...args, '-cf', '-', '.'], { maxBuffer: 1 << 28 }).stdout

for (const format of ['pax', 'gnu']) {
  t.test(`an archive of format ${format} is unpacked as tar does it`, { skip }, async (t) => {
    const source = sampleTree(t)
    const { into, result } = await unpacked(t, packed(source, `--format=${format}`))
    const round = (lines: string[]) => lines.map((line) => line.replace(/(\d{9,})\.\d+/, '$1'))
    t.same(round(listing(into)), round(listing(source)))
    t.ok(readFileSync(join(into, 'again')).equals(readFileSync(join(source, 'big'))))
    t.equal(lstatSync(join(into, 'again')).ino, lstatSync(join(into, 'big')).ino)
    t.equal(result.bytes, 700_005)
  })
}

for (const format of ['ustar', 'v7', 'oldgnu']) {
  t.test(`an archive of format ${format} is read`, { skip }, async (t) => {
    const source = ownFolder(t)
    const deep = join(source, 'a'.repeat(70))
    mkdirSync(deep)
    writeFileSync(join(deep, format === 'ustar' ? 'b'.repeat(90) : 'b'), 'text')
    const { into } = await unpacked(t, packed(source, `--format=${format}`), { size: 7 })
    t.same(
      done('find', into, '-printf', '%P %s\\n').split('\n').sort(),
      done('find', source, '-printf', '%P %s\\n').split('\n').sort(),
    )
  })
}

t.test('extended attributes are kept', { skip }, async (t) => {
  const source = ownFolder(t)
  writeFileSync(join(source, 'ping'), 'x')
  const capability = '0x0100000200200000000000000000000000000000'
  done('setfattr', '-n', 'security.capability', '-v', capability, join(source, 'ping'))
  const { into, lines } = await unpacked(t, packed(source, '--xattrs', '--xattrs-include=*', '--format=pax'))
  t.same(lines, [])
  t.match(done('getfattr', '-n', 'security.capability', '-e', 'hex', join(into, 'ping')), capability)
})

t.test('links in the archive never lead out of the folder', { skip }, async (t) => {
  const source = ownFolder(t)
  const victim = join(ownFolder(t), 'victim')
  symlinkSync(victim, join(source, 'a'))
  const first = packed(source)
  const other = ownFolder(t)
  mkdirSync(join(other, 'a'))
  writeFileSync(join(other, 'a/file'), 'x')
  const second = spawnSync('tar', ['-C', other, '-cf', '-', 'a/file']).stdout
  const { into } = await unpacked(t, first)
  await unpacked(t, second, { into })
  t.notOk(existsSync(victim))
  t.equal(readFileSync(join(into, victim, 'file'), 'utf8'), 'x', 'the link was followed inside')
  const climbing = spawnSync('tar', [
    '-C',
    other,
    '-P',
    '--transform',
    's,^a/file,../../x,',
    '-cf',
    '-',
    'a/file',
  ])
  await t.rejects(unpacked(t, climbing.stdout), /"\.\.\/\.\.\/x": no "\.\." expected/)
})

t.test('an archive that is cut off anywhere fails and says so', { skip }, async (t) => {
  const archive = packed(sampleTree(t), '--format=pax')
  const data = archive.subarray(0, archive.lastIndexOf(0x78))
  for (let length = 1; length < data.length; length += 40_001)
    await t.rejects(unpacked(t, data.subarray(0, length)), /cut off/)
})

t.test('what is no archive is told from one', { skip }, async (t) => {
  await t.rejects(unpacked(t, Buffer.alloc(2048, 'no archive')), /no tar archive, or a damaged one/)
  const archive = packed(sampleTree(t), '--format=pax')
  await t.rejects(unpacked(t, Buffer.concat([archive.subarray(0, 512), Buffer.alloc(512, 7)])), /tar archive/)
})

t.test('a sparse file is refused by its name', { skip }, async (t) => {
  const source = ownFolder(t)
  done('truncate', '-s', '10M', join(source, 'holes'))
  for (const format of ['gnu', 'pax'])
    await t.rejects(
      unpacked(t, packed(source, '-S', `--format=${format}`)),
      /holes is stored as a sparse file/,
    )
})

t.test('a damaged archive never hangs', { skip }, async (t) => {
  const archive = packed(sampleTree(t), '--format=pax')
  for (let seed = 1; seed <= 60; seed++) {
    const broken = Buffer.from(archive)
    for (let at = (seed * 7919) % 3000; at < 12_000; at += 1500) broken[at] = (seed * 31 + at) & 255
    await unpacked(t, broken).catch((error: unknown) => t.type(error, Error))
  }
})
