import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Client } from '../../src/cli/client.ts'
import { template } from './capt.ts'
import { holderOf } from './client.ts'
import { base, hardware, mergePatch, ns1 } from './server.ts'
import { openSite } from './site.ts'
import type { Site } from './site.ts'

// What a server must do for an unmodified Cluster API Provider Tinkerbell (CAPT) 0.7.0, step by step: what the tests of
// the steps share.

export const jobs = '/apis/bmc.tinkerbell.org/v1alpha1/namespaces/ns1/jobs'
export const watchList =
  'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'

export type Body = Record<string, any>
export type Answer = { status: number; body: Body; type: string; warning: string }
export type Call = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>

/** Requests with the credentials of `client`. */
export const by =
  (client: Client): Call =>
  async (method, path, body, headers) => {
    const answer = await client.request(method, path, body, headers)
    const type = answer.headers['content-type'] ?? ''
    const warning = String(answer.headers['warning'] ?? '')
    return { status: answer.status, body: answer.json as Body, type, warning }
  }

/** A site with a client that has the rights of CAPT and no others, and one of the admin. */
export type Bench = {
  site: Site
  captClient: Client
  capt: Call
  admin: Call
  /** a JSON merge patch by CAPT */
  patch(path: string, change: unknown): Promise<Answer>
  /** stores a Hardware with a MAC and an address of its own */
  machine(name: string, labels?: Record<string, string>): Promise<StoredMachine>
  /** names of the Hardware that a label selector takes, in all namespaces */
  namesBy(selector: string): Promise<string[]>
  /** newest version of the store */
  versionNow(): Promise<string>
  /** what the metadata service gives, once it is `wanted`: it follows the store; else what it gives after 10 s */
  userData(ip: string, wanted: string | number): Promise<string | number>
}
export type StoredMachine = { mac: string; ip: string; body: Body; path: string }

/** Ends with the test. */
export async function openBench(t: Test): Promise<Bench> {
  const site = await openSite()
  const { client } = site.server
  const captClient = (await holderOf(site.server, 'capt')).client
  t.teardown(async () => {
    captClient.close()
    await site.close()
  })
  const [capt, admin] = [by(captClient), by(client)]
  let count = 0

  const machine = async (name: string, labels: Record<string, string> = {}) => {
    const number = String(++count).padStart(2, '0')
    const [mac, ip] = [`52:54:00:00:04:${number}`, `10.0.4.${count}`]
    const object = hardware(name, labels, mac)
    object.spec.interfaces[0]!.dhcp.ip.address = ip
    const { status, body } = await admin('POST', `${ns1}/hardware`, object)
    if (status !== 201) throw new Error(`answered ${status}`)
    return { mac, ip, body, path: `${ns1}/hardware/${name}` }
  }
  const list = async (query = '') => (await capt('GET', `${base}/hardware${query}`)).body
  const userData = async (ip: string, wanted: string | number) => {
    const deadline = Date.now() + 10_000
    for (;;) {
      const found = await site.userDataFor(ip)
      if (found === wanted || Date.now() > deadline) return found
      await sleep(20)
    }
  }
  return {
    site,
    captClient,
    capt,
    admin,
    machine,
    userData,
    patch: (path, change) => capt('PATCH', path, change, mergePatch),
    namesBy: async (selector) =>
      (await list(`?labelSelector=${encodeURIComponent(selector)}`))['items'].map(
        ({ metadata }: Body) => metadata.name,
      ),
    versionNow: async () => (await list())['metadata'].resourceVersion,
  }
}

export const versionOf = ({ body }: Answer) => Number(body['metadata'].resourceVersion)
export const eventNames = (events: readonly { type: string; object: Body }[]) =>
  events.map(({ type, object }) => `${type} ${object['metadata'].name ?? ''}`.trim())

const orderOf = (name: string) => ({
  name,
  labels: { 'capt.tinkerbell.org/machine-name': name, 'capt.tinkerbell.org/machine-namespace': 'default' },
})

/** The Template and the Workflow that CAPT makes for the TinkerbellMachine `default/name`. */
export const templateOf = (name: string) => ({
  apiVersion: 'tinkerbell.org/v1alpha1',
  kind: 'Template',
  metadata: orderOf(name),
  spec: { data: template('10.0.4.254') },
})
export const workflowOf = (name: string, hardwareRef: string, mac: string) => ({
  apiVersion: 'tinkerbell.org/v1alpha1',
  kind: 'Workflow',
  metadata: orderOf(name),
  spec: {
    templateRef: name,
    hardwareRef,
    hardwareMap: { device_1: mac },
    bootOptions: { toggleAllowNetboot: true },
  },
})
