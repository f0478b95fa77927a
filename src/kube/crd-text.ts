import { stringify } from 'yaml'
import type { KindInfo } from '../model/kinds.ts'
import { crdOf } from './crd.ts'

/** kubectl reads YAML 1.1, in which a bare `off` is a boolean. */
const style = { compat: 'yaml-1.1', aliasDuplicateObjects: false, singleQuote: true, lineWidth: 0 } as const

/** A kind's definition as its file in `deploy/crds` has it. */
export function crdText(info: KindInfo): string {
  return `# Made from the schemas in src/model by \`npm run crds\`.\n${stringify(crdOf(info), style)}`
}
