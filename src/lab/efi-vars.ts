/** One UEFI variable; `vendor`: its GUID as text, lower case. */
export type EfiVariable = { vendor: string; name: string; attributes: number; data: Uint8Array }

const vendors = {
  /** EFI_GLOBAL_VARIABLE: PK and KEK (UEFI 2.10 §3.3) */
  global: '8be4df61-93ca-11d2-aa0d-00e098032b8c',
  /** EFI_IMAGE_SECURITY_DATABASE: db and dbx (§32.4.1) */
  security: 'd719b2cb-3d3a-4596-a3bc-dad00e67656f',
  /** of shim: the keys of this machine's owner */
  shim: '605dab50-e046-4300-abb6-3dd810dd8b23',
  /** of EDK2: whether Secure Boot is on, once there is a PK */
  switch: 'f0a30bc7-af08-4556-99c4-001009c93a44',
} as const

/** EFI_CERT_X509_GUID (UEFI 2.10 §32.4.1) */
const x509 = 'a5c059a1-94e4-4aa7-87b5-ab155c2bf072'
/** gEfiAuthenticatedVariableGuid: a variable store whose entries have the long header */
const authenticatedStore = 'aaf32c78-947b-439a-a180-2e144ec37792'
/** of the signatures made here; it says who has put them in and means nothing else */
const owner = '1a8c9b52-7a0d-4c2a-8f43-6a4e1f6b7c90'

/** non-volatile, seen by boot loaders, seen by systems, signed with a time */
const signed = 0x27
/** non-volatile, seen by boot loaders only */
const own = 3
const headers = { store: 28, variable: 60 } as const
const startId = 0x55aa
/** VAR_ADDED: not deleted, and not about to be */
const stateAdded = 0x3f

/**
 * The variables of EDK2's flash image (MdeModulePkg `VariableFormat.h`): a firmware volume with one store of entries,
 * each at a multiple of 4.
 * @throws Error when it is no such image
 */
export function readVariables(image: Uint8Array): EfiVariable[] {
  const found: EfiVariable[] = []
  scan(image, (variable) => found.push(variable))
  return found
}

/**
 * The image with one certificate as PK, KEK and db, so that Secure Boot is on and starts what that key has signed.
 * @param image without keys, as it comes with the firmware
 * @param certificate DER
 * @throws Error when the image is no variable store, or has keys
 */
export function enrolKey(image: Uint8Array, certificate: Uint8Array): Uint8Array {
  const list = signatureList(certificate)
  const keys = [
    { vendor: vendors.global, name: 'PK' },
    { vendor: vendors.global, name: 'KEK' },
    { vendor: vendors.security, name: 'db' },
  ].map((key) => ({ ...key, attributes: signed, data: list }))
  const isOn = { vendor: vendors.switch, name: 'SecureBootEnable', attributes: own, data: Uint8Array.of(1) }
  if (readVariables(image).some(({ name }) => name === 'PK')) throw new Error('the image has keys')
  return withVariables(image, [...keys, isOn])
}

/**
 * The image with one more certificate that shim goes by, as its MokManager enrols it.
 * @param image may have keys of the firmware's maker
 * @param certificate DER
 * @throws Error when the image is no variable store
 */
export const enrolForShim = (image: Uint8Array, certificate: Uint8Array): Uint8Array =>
  withVariables(image, [
    { vendor: vendors.shim, name: 'MokList', attributes: own, data: signatureList(certificate) },
  ])

function withVariables(image: Uint8Array, variables: readonly EfiVariable[]): Uint8Array {
  const made = Uint8Array.from(image)
  let at = scan(image, () => {})
  for (const variable of variables) {
    const bytes = entry(variable)
    made.set(bytes, at)
    at = aligned(at + bytes.length)
  }
  return made
}

/** Calls `each` for every variable that is in force. @returns where the next one would be */
function scan(image: Uint8Array, each: (variable: EfiVariable) => void): number {
  const view = viewOf(image)
  const store = view.getUint16(48, true)
  if (text(image, 40, 4) !== '_FVH' || guidText(image, store) !== authenticatedStore)
    throw new Error('no EDK2 variable store with authenticated variables')
  let at = aligned(store + headers.store)
  while (view.getUint16(at, true) === startId) {
    const [nameSize, dataSize] = [view.getUint32(at + 36, true), view.getUint32(at + 40, true)]
    const nameAt = at + headers.variable
    const dataAt = nameAt + nameSize
    if (image[at + 2] === stateAdded)
      each({
        vendor: guidText(image, at + 44),
        name: new TextDecoder('utf-16le').decode(image.subarray(nameAt, dataAt - 2)),
        attributes: view.getUint32(at + 4, true),
        data: image.slice(dataAt, dataAt + dataSize),
      })
    at = aligned(dataAt + dataSize)
  }
  return at
}

function entry({ vendor, name, attributes, data }: EfiVariable): Uint8Array {
  const nameBytes = Buffer.from(`${name}\0`, 'utf16le')
  const bytes = new Uint8Array(headers.variable + nameBytes.length + data.length)
  const view = viewOf(bytes)
  view.setUint16(0, startId, true)
  view.setUint8(2, stateAdded)
  view.setUint32(4, attributes, true)
  if (attributes === signed) setTime(view, 16)
  view.setUint32(36, nameBytes.length, true)
  view.setUint32(40, data.length, true)
  bytes.set(guidBytes(vendor), 44)
  bytes.set(nameBytes, headers.variable)
  bytes.set(data, headers.variable + nameBytes.length)
  return bytes
}

/** An EFI_TIME from before any update: the first of January 2020. */
function setTime(view: DataView, at: number): void {
  view.setUint16(at, 2020, true)
  view.setUint8(at + 2, 1)
  view.setUint8(at + 3, 1)
}

/** An EFI_SIGNATURE_LIST with one certificate. */
function signatureList(certificate: Uint8Array): Uint8Array {
  const signatureSize = 16 + certificate.length
  const bytes = new Uint8Array(28 + signatureSize)
  const view = viewOf(bytes)
  bytes.set(guidBytes(x509), 0)
  view.setUint32(16, bytes.length, true)
  view.setUint32(24, signatureSize, true)
  bytes.set(guidBytes(owner), 28)
  bytes.set(certificate, 44)
  return bytes
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
const aligned = (at: number) => Math.ceil(at / 4) * 4
const text = (bytes: Uint8Array, at: number, length: number) =>
  new TextDecoder('latin1').decode(bytes.subarray(at, at + length))

/** A GUID's first three fields are little-endian. */
const guidOrder = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]

function guidBytes(guid: string): Uint8Array {
  const plain = Buffer.from(guid.replaceAll('-', ''), 'hex')
  return Uint8Array.from(guidOrder, (index) => plain[index]!)
}

function guidText(bytes: Uint8Array, at: number): string {
  const hex = Buffer.from(guidOrder.map((index) => bytes[at + index]!)).toString('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
