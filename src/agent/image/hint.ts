import type { DiskFacts } from '../../model/agent-protocol.ts'
import { partitionPath } from './name.ts'

type Test = (disk: DiskFacts) => boolean

/** What is asked of a disk in place of its name. */
export type Hint = { tests: Test[]; partition: string | undefined }

const units: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 }

/** Whether a text describes a disk instead of naming it. */
export const isHint = (text: string) => !text.startsWith('/') && /[=<>]/.test(text)

/**
 * Parses conditions with commas between them: `size>=400GB`, `size<=1TB`, `model=…`, `serial=…`, `wwn=…` (a part of it
 * will do, in any letters), `rotational=false`; `partition=2` is a partition of the disk that is found.
 * @throws Error for a condition that is none
 */
export function parseHint(text: string): Hint {
  const conditions = text.split(',').map((part) => part.trim())
  const partition = conditions.map((part) => /^partition=(\d+)$/.exec(part)?.[1]).find(Boolean)
  const tests = conditions.filter((part) => !/^partition=\d+$/.test(part)).map(testOf)
  if (!tests.length)
    throw new Error(`"${text}" says nothing about the disk: size>=, model=, serial= expected`)
  return { tests, partition }
}

function testOf(condition: string): Test {
  const [, sign, amount = '', unit = ''] = /^size(>=|<=)(\d+(?:\.\d+)?)([kMGT]?)B?$/.exec(condition) ?? []
  if (sign !== undefined) {
    const bytes = Number(amount) * (units[unit] ?? 1)
    return sign === '>=' ? (disk) => disk.bytes >= bytes : (disk) => disk.bytes <= bytes
  }
  const rotational = /^rotational=(true|false)$/.exec(condition)?.[1]
  if (rotational !== undefined) return (disk) => disk.rotational === (rotational === 'true')
  const [, field, value = ''] = /^(model|serial|wwn)=(.+)$/.exec(condition) ?? []
  if (field === undefined)
    throw new Error(
      `"${condition}" is no hint of a disk: size>=400GB, size<=1TB, model=, serial=, wwn=, rotational= or partition= expected`,
    )
  return (disk) => disk[field as 'model' | 'serial' | 'wwn'].toLowerCase().includes(value.toLowerCase())
}

/** The smallest disk that is as described, the first of several; `undefined` when there is none. */
export function diskAsHinted({ tests, partition }: Hint, disks: readonly DiskFacts[]): string | undefined {
  const [found] = disks
    .filter((disk) => disk.bytes > 0 && tests.every((test) => test(disk)))
    .sort((a, b) => a.bytes - b.bytes || (a.device < b.device ? -1 : 1))
  return found && (partition === undefined ? found.device : partitionPath(found.device, partition))
}
