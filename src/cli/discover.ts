/** metav1.APIResource with the group and version that serve it. */
export type Resource = {
  name: string
  singularName: string
  kind: string
  namespaced: boolean
  shortNames?: string[]
  /** empty for the core group */
  group: string
  version: string
}

type Ok = <T>(method: string, path: string) => Promise<T>

/** What the server has in all groups, those with a name first. */
export async function discover(ok: Ok): Promise<Resource[]> {
  const [{ groups }, { versions }] = await Promise.all([
    ok<{ groups: { preferredVersion: { groupVersion: string } }[] }>('GET', '/apis'),
    ok<{ versions: string[] }>('GET', '/api'),
  ])
  const named = groups.map(async ({ preferredVersion: { groupVersion } }) => {
    const [group = '', version = ''] = groupVersion.split('/')
    return resourcesAt(ok, `/apis/${groupVersion}`, group, version)
  })
  const core = versions.slice(0, 1).map((version) => resourcesAt(ok, `/api/${version}`, '', version))
  const lists = await Promise.all([...named, ...core])
  return lists.flat().filter(({ name }) => !name.includes('/'))
}

async function resourcesAt(ok: Ok, path: string, group: string, version: string): Promise<Resource[]> {
  const { resources } = await ok<{ resources: Resource[] }>('GET', path)
  return resources.map((entry) => ({ ...entry, group, version }))
}

/** `word.group`, or the word alone in the core group: how a kind is named beside an object's name. */
export const grouped = (word: string, { group }: Resource): string =>
  group === '' ? word : `${word}.${group}`
