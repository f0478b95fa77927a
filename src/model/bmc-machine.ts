import { Type } from 'typebox'
import type { Static } from 'typebox'
import { BmcCondition } from './bmc-condition.ts'
import { choice, flag, list, map, required, text, texts, whole } from './field.ts'
import type { KubeObject } from './object.ts'

const port = whole('Port of this protocol.', { minimum: 0, maximum: 65_535 })

export const SecretReference = Type.Object({
  name: text('Name of the Secret.'),
  namespace: text('Namespace of the Secret.'),
})

const rpc = Type.Object(
  {
    consumerURL: text('Where requests go.'),
    logNotificationsDisabled: flag('Do not log requests and answers.'),
    request: Type.Optional(
      Type.Object(
        {
          httpContentType: text('Content type of requests.'),
          httpMethod: text('Method of requests.'),
          staticHeaders: map('Headers of every request.', Type.Array(Type.String())),
          timestampFormat: text('Layout of the time stamp.'),
          timestampHeader: text('Header of the time stamp.'),
        },
        { description: 'What a request looks like.' },
      ),
    ),
    signature: Type.Optional(
      Type.Object(
        {
          headerName: text('Header of the signature.'),
          appendAlgoToHeaderDisabled: flag('Do not append the algorithm to the header’s name.'),
          includedPayloadHeaders: texts('Headers that are signed with the body.'),
        },
        { description: 'Where the signature of a request stands.' },
      ),
    ),
    hmac: Type.Optional(
      Type.Object(
        {
          prefixSigDisabled: flag('Do not put the algorithm before the signature.'),
          secrets: map('Secrets that sign, by algorithm (`sha256`, `sha512`).', Type.Array(SecretReference)),
        },
        { description: 'How requests are signed.' },
      ),
    ),
    experimental: Type.Optional(
      Type.Object(
        {
          customRequestPayload: text('Body of requests, instead of the usual one.'),
          dotPath: text('Where in that body the request is put.'),
        },
        { description: 'A body of another shape.' },
      ),
    ),
  },
  { description: 'A service that acts for the BMC, called with JSON over HTTP.' },
)

const providerOptions = Type.Object(
  {
    preferredOrder: texts('Protocols to try first, such as `gofish` (Redfish) or `ipmitool`.'),
    intelAMT: Type.Optional(
      Type.Object(
        { port, hostScheme: choice('Scheme of its URL.', ['http', 'https']) },
        { description: 'Intel AMT.' },
      ),
    ),
    ipmitool: Type.Optional(
      Type.Object(
        { port, cipherSuite: text('Cipher suite, as ipmitool numbers them.') },
        { description: 'IPMI.' },
      ),
    ),
    redfish: Type.Optional(
      Type.Object(
        {
          port,
          useBasicAuth: flag('Send user and password with each request instead of opening a session.'),
          systemName: text('Which system, where the service has several.'),
        },
        { description: 'Redfish.' },
      ),
    ),
    rpc: Type.Optional(rpc),
    homeassistant: Type.Optional(
      Type.Object(
        {
          switchEntityID: text('The switch that powers the machine.'),
          powerOperationDelaySeconds: whole('Time between off and on, in seconds.'),
        },
        { description: 'A power switch of Home Assistant.' },
      ),
    ),
  },
  { description: 'Settings of single protocols.' },
)

/** Machine.spec (bmc.tinkerbell.org/v1alpha1): how to reach one BMC. */
export const BmcMachineSpec = Type.Object(
  {
    connection: Type.Optional(
      Type.Object(
        {
          host: required.text('Address or name of the BMC.'),
          port: whole('Port of the BMC; absent or 0: 623.', { minimum: 0, maximum: 65_535 }),
          authSecretRef: Type.Optional(
            Type.Object(
              { name: text('Name of the Secret.'), namespace: text('Namespace of the Secret.') },
              { description: 'The Secret with the keys `username` and `password`.' },
            ),
          ),
          insecureTLS: flag('Trust any certificate of the BMC.'),
          providerOptions: Type.Optional(providerOptions),
        },
        { description: 'Where the BMC is and how to log in.' },
      ),
    ),
  },
  { description: 'The BMC of a machine.' },
)

/** Machine.status: condition Contactable; `powerState` on, off, unknown and what else a BMC may say. */
export const BmcMachineStatus = Type.Object(
  {
    powerState: text('`on`, `off`, `unknown`, or what else the BMC says.'),
    conditions: list('Contactable: whether the BMC answers.', BmcCondition),
  },
  { description: 'What the BMC says.' },
)

export type BmcMachineSpec = Static<typeof BmcMachineSpec>
export type BmcMachineStatus = Static<typeof BmcMachineStatus>
export type BmcMachine = KubeObject<BmcMachineSpec, BmcMachineStatus>
