import { get } from '../image/http.ts'
import type { ActionRun, Machine } from './action.ts'

const silenceMs = 30_000
const longest = 8 << 20

/**
 * What the metadata service has at `url`, 8 MiB at most.
 * @throws Error when it answers anything but 200, or not at all
 */
export async function readMetadata(
  url: string,
  agent: string,
  { signal }: Pick<ActionRun, 'signal'>,
  { trusted }: Pick<Machine, 'trusted'>,
): Promise<Buffer> {
  const response = await get(url, { 'user-agent': agent }, { signal, trusted, silenceMs })
  if (response.statusCode !== 200) {
    response.destroy()
    throw new Error(`GET ${url}: the server answered ${response.statusCode ?? 0}`)
  }
  const parts: Buffer[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    if ((length += part.length) > longest) throw new Error(`${url}: longer than ${longest} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}
