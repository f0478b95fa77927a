import type { Command } from 'commander'
import { withClient, withConnection, withExamples, withOutput } from './command.ts'
import type { CliDeps, ConnectOptions } from './command.ts'
import { failureOf } from './failure.ts'
import { dataText, localText, textTable } from './output.ts'

type Image = {
  name: string
  kind: string
  size?: number
  have?: number
  modified: string
  sha256?: string
  usedBy: string[]
}
type Options = ConnectOptions & { output: 'table' | 'json' | 'yaml' }

const headers = ['NAME', 'KIND', 'SIZE', 'CHANGED', 'SHA256', 'USED BY']

/** `image list`: the disk images that the server gives. */
export function imageCommands(program: Command, deps: CliDeps): void {
  const image = program.command('image').description('disk images that the server gives')
  withExamples(image, 'image list')
  const list = image
    .command('list')
    .summary('show the disk images that the server gives')
    .description(
      'show the disk images that the server gives below /images/: those of its folder and those pulled from elsewhere, what they are by their content, and which templates and unfinished workflows name them',
    )
    .action((options: Options) => show(options, deps))
  withExamples(
    withOutput(withConnection(list), 'table', 'json', 'yaml'),
    'image list',
    'image list -o yaml',
    `image list -o json | jq -r '.[] | select(.usedBy == []) | .name'`,
  )
}

async function show(options: Options, deps: CliDeps): Promise<void> {
  await withClient(options, deps, async (client) => {
    const answer = await client.request('GET', '/ironwake/v1/images')
    if (answer.status !== 200) throw failureOf(answer)
    const { images } = answer.json as { images: Image[] }
    if (options.output !== 'table') return deps.stdout.write(await dataText(options.output, images))
    if (images.length === 0) return deps.stderr.write('nothing found\n')
    return deps.stdout.write(textTable(headers, images.map(cellsOf)))
  })
}

function cellsOf({ name, kind, size, have, modified, sha256 = '', usedBy }: Image): string[] {
  const changed = localText(Date.parse(modified)).slice(0, 16)
  const more = usedBy.length > 3 ? [`and ${usedBy.length - 3} more`] : []
  return [
    name,
    kind,
    sizeText(size, have),
    changed,
    sha256.slice(0, 12),
    [...usedBy.slice(0, 3), ...more].join(', '),
  ]
}

/** `512.0 MiB`; of one that is on its way `12% of 512.0 MiB`. */
function sizeText(size: number | undefined, have: number | undefined): string {
  if (size === undefined) return have === undefined ? '' : `${bytesText(have)} so far`
  return have === undefined
    ? bytesText(size)
    : `${Math.floor((have * 100) / Math.max(1, size))}% of ${bytesText(size)}`
}

function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${power === 0 ? bytes : (bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}
