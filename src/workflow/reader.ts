import { readDocument } from './document.ts'
import type { TemplateDocument } from './document.ts'

/** characters of texts that are remembered */
const mostText = 4 * 1024 * 1024

/**
 * `readDocument` that remembers what it read last: a Workflow is checked when it is created and planned a moment later,
 * and that is the same text, which takes longer to read than all else.
 */
export function createReader(): (rendered: string) => TemplateDocument {
  const known = new Map<string, TemplateDocument>()
  let length = 0
  return (rendered) => {
    const found = known.get(rendered)
    if (found) return found
    const document = readDocument(rendered)
    known.set(rendered, document)
    length += rendered.length
    for (const text of known.keys()) {
      if (length <= mostText) break
      known.delete(text)
      length -= text.length
    }
    return document
  }
}
