/** The span that others are part of, as W3C Trace Context names it. Lower-case hexadecimal, 32 and 16 digits. */
export type TraceParent = { traceId: string; spanId: string }

const suffix = /-00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** What Tinkerbell's DHCP appends to the name of a boot program: version, trace, span, and that it is sampled. */
export const traceSuffix = ({ traceId, spanId }: TraceParent): string => `-00-${traceId}-${spanId}-01`

/** A name without what names a trace. */
export const withoutTrace = (name: string): string => name.replace(suffix, '')

/** The same as 26 octets, for DHCP option 43.69. */
export const traceOctets = ({ traceId, spanId }: TraceParent): Uint8Array =>
  Uint8Array.from([0, ...octets(traceId), ...octets(spanId), 1])

const octets = (hex: string): number[] => hex.match(/../g)?.map((digits) => Number.parseInt(digits, 16)) ?? []
