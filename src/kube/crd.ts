import type { Column } from '../model/column.ts'
import { resourceNameOf } from '../model/kinds.ts'
import type { KindInfo } from '../model/kinds.ts'
import { servedKinds } from './discovery.ts'
import { apiVersionText, kindText } from './openapi-meta.ts'
import { openApiSchema } from './openapi-schema.ts'
import type { Json } from './openapi-schema.ts'

/** Kinds that a cluster of its own may hold: all but those that every cluster has. */
export const customKinds: readonly KindInfo[] = servedKinds.filter(({ group }) => group !== '')

/** File of a kind's definition. */
export const crdFile = ({ group, plural }: KindInfo): string => `${group}_${plural}.yaml`

/** Kinds that `clusterctl move` takes along with a management cluster, with all that belongs to them. */
const moved: readonly string[] = ['hardware.tinkerbell.org', 'machines.bmc.tinkerbell.org']
const moveLabels = { 'clusterctl.cluster.x-k8s.io': '', 'clusterctl.cluster.x-k8s.io/move': '' }

/**
 * apiextensions.k8s.io/v1 CustomResourceDefinition of a kind, from the same schema that this server checks with.
 * Fields that it does not know survive in the cluster as they do here.
 */
export function crdOf(info: KindInfo): Json {
  const { group, version, kind, plural, singular, shortNames, categories } = info
  const name = resourceNameOf(info)
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name, ...(moved.includes(name) ? { labels: moveLabels } : {}) },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        ...(shortNames.length > 0 ? { shortNames } : {}),
        categories,
      },
      scope: info.namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: info.columns.flatMap(printerColumn),
          schema: { openAPIV3Schema: rootSchema(info) },
          ...(info.hasStatus ? { subresources: { status: {} } } : {}),
        },
      ],
    },
  }
}

function rootSchema({ description, fields }: KindInfo): Json {
  const own = Object.entries(fields).map(([name, schema]) => [name, openApiSchema(schema, true)])
  return {
    description,
    type: 'object',
    properties: {
      apiVersion: apiVersionText,
      kind: kindText,
      metadata: { type: 'object' },
      ...(Object.fromEntries(own) as Json),
    },
  }
}

/** The API server adds the name by itself, and cannot run functions. */
function printerColumn({ name, from, as, priority }: Column): Json[] {
  if (as === 'name' || typeof from !== 'string') return []
  const type = as === 'age' ? 'date' : as === 'integer' ? 'integer' : 'string'
  return [{ jsonPath: `.${from}`, name, type, ...(priority > 0 ? { priority } : {}) }]
}
