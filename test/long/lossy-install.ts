import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { namespace } from '../../src/lab/install.ts'
import type { Target } from '../../src/lab/install.ts'
import type { Lab, LabParts } from '../../src/lab/scenario.ts'

/** An image of a disk: octets, and SHA-256 in hex. */
export type TinyImage = { bytes: Buffer; sha256: string }

const imageName = 'tiny.raw'

/** Makes an image folder that holds a small image, in place of the usual one. */
export function tinyImage(
  parts: LabParts,
  dir: string,
  megabytes: number,
): { parts: LabParts; image: TinyImage } {
  const imageDir = join(dir, 'images')
  mkdirSync(imageDir)
  const bytes = randomBytes(megabytes * 2 ** 20)
  writeFileSync(join(imageDir, imageName), bytes)
  return {
    parts: { ...parts, imageDir },
    image: { bytes, sha256: createHash('sha256').update(bytes).digest('hex') },
  }
}

/** Writes the image to the disk, then restarts the machine. */
const actions = (lab: Lab, { sha256 }: TinyImage) => [
  {
    name: 'stream image to disk',
    image: '127.0.0.1/embedded/image2disk',
    timeout: 1800,
    environment: {
      DEST_DISK: '/dev/vda',
      IMG_URL: `http://${lab.network.address}:7171/images/${imageName}`,
      SHA256: sha256,
    },
  },
  { name: 'restart', image: '127.0.0.1/embedded/reboot', timeout: 120 },
]

/** Creates a Template and a Workflow that put the image on the machine's disk. */
export async function createTinyWorkflow(lab: Lab, image: TinyImage, { name, mac }: Target): Promise<void> {
  const data = {
    version: '0.1',
    name,
    global_timeout: 3000,
    tasks: [
      { name: 'install', worker: '{{ .device_1 }}', volumes: ['/dev:/dev'], actions: actions(lab, image) },
    ],
  }
  const apiVersion = 'tinkerbell.org/v1alpha1'
  const metadata = { name, namespace }
  await lab.api.create({ apiVersion, kind: 'Template', metadata, spec: { data: stringify(data) } })
  await lab.api.create({
    apiVersion,
    kind: 'Workflow',
    metadata,
    spec: { templateRef: name, hardwareRef: name, hardwareMap: { device_1: mac } },
  })
}
