import type { Role } from '../model/role.ts'
import { controlVerbs } from './workflow-control-verbs.ts'

/** authorization.k8s.io ResourceRule: `*` stands for all; a subresource is named `resource/subresource`. */
export type ResourceRule = {
  apiGroups: readonly string[]
  resources: readonly string[]
  verbs: readonly string[]
}

/** authorization.k8s.io NonResourceRule: a path, or the beginning of one before `*`. */
export type PathRule = { nonResourceURLs: readonly string[]; verbs: readonly string[] }

export type RoleRules = {
  resources: readonly ResourceRule[]
  paths: readonly PathRule[]
  /** kinds whose secret parts are left out of every answer */
  conceals: readonly string[]
}

const tinkerbell = ['tinkerbell.org']
const bmc = ['bmc.tinkerbell.org']
const core = ['']

const read = ['get', 'list', 'watch']
const write = ['create', 'update', 'patch', 'delete', 'deletecollection']

const provisioning = ['hardware', 'templates', 'workflows', 'workflowrulesets']
const power = ['machines', 'jobs', 'tasks']
const steering = controlVerbs.map((verb) => `workflows/${verb}`)
const withStatus = (resources: readonly string[]) => [
  ...resources,
  ...resources.map((resource) => `${resource}/status`),
]

const reports = [
  '/ironwake/v1/doctor/*',
  '/ironwake/v1/hardware/export',
  '/ironwake/v1/images',
  '/ironwake/v1/leases',
  '/ironwake/v1/timeline/*',
  '/ironwake/v1/unknown',
  '/ironwake/v1/workflows/*',
  '/metrics',
]

/** What everyone with credentials may ask: which API this is, and what they may do. */
const discovery: Pick<RoleRules, 'resources' | 'paths'> = {
  resources: [
    {
      apiGroups: ['authorization.k8s.io'],
      resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
      verbs: ['create'],
    },
    { apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'], verbs: ['create'] },
  ],
  paths: [
    {
      nonResourceURLs: [
        '/api',
        '/api/*',
        '/apis',
        '/apis/*',
        '/openapi',
        '/openapi/*',
        '/version',
        '/version/',
      ],
      verbs: ['get'],
    },
  ],
}

const admin: RoleRules = {
  resources: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
  paths: [{ nonResourceURLs: ['*'], verbs: ['*'] }],
  conceals: [],
}

/**
 * Secrets are written, not read: `kubectl apply` finds them there without their data. A Secret cannot be replaced as a
 * whole (`update`), because what was read without data would then be stored without data.
 */
const operator: RoleRules = {
  resources: [
    { apiGroups: tinkerbell, resources: withStatus(provisioning), verbs: [...read, ...write] },
    { apiGroups: tinkerbell, resources: steering, verbs: ['create'] },
    { apiGroups: bmc, resources: withStatus(power), verbs: [...read, ...write] },
    {
      apiGroups: core,
      resources: ['secrets'],
      verbs: [...read, 'create', 'patch', 'delete', 'deletecollection'],
    },
    { apiGroups: core, resources: [...withStatus(['namespaces']), 'events'], verbs: [...read, ...write] },
    ...discovery.resources,
  ],
  paths: [
    { nonResourceURLs: ['/ironwake/v1/hardware/import'], verbs: ['post'] },
    { nonResourceURLs: reports, verbs: ['get'] },
    ...discovery.paths,
  ],
  conceals: ['Secret'],
}

const viewer: RoleRules = {
  resources: [
    { apiGroups: tinkerbell, resources: withStatus(provisioning), verbs: read },
    { apiGroups: bmc, resources: withStatus(power), verbs: read },
    { apiGroups: core, resources: [...withStatus(['namespaces']), 'events'], verbs: read },
    ...discovery.resources,
  ],
  paths: [{ nonResourceURLs: reports, verbs: ['get'] }, ...discovery.paths],
  conceals: ['Secret', 'Hardware'],
}

/**
 * The calls that Cluster API Provider Tinkerbell 0.7 makes: get, list, patch and so on of its external mode, and list
 * and watch of all four kinds, which its informers do when it has no other cluster to talk to.
 */
const capt: RoleRules = {
  resources: [
    { apiGroups: tinkerbell, resources: ['hardware'], verbs: [...read, 'patch'] },
    { apiGroups: tinkerbell, resources: ['templates', 'workflows'], verbs: [...read, 'create', 'delete'] },
    { apiGroups: bmc, resources: ['jobs'], verbs: [...read, 'create'] },
    ...discovery.resources,
  ],
  paths: discovery.paths,
  conceals: ['Secret'],
}

const importer: RoleRules = {
  resources: [{ apiGroups: tinkerbell, resources: ['hardware'], verbs: read }, ...discovery.resources],
  paths: [{ nonResourceURLs: ['/ironwake/v1/hardware/import'], verbs: ['post'] }, ...discovery.paths],
  conceals: ['Secret', 'Hardware'],
}

export const rulesOf: Readonly<Record<Role, RoleRules>> = { admin, operator, viewer, capt, importer }
