import t from 'tap'
import { findChecksum, parseChecksum } from '../../../src/agent/image/checksum.ts'

const [short, long] = ['ab'.repeat(32), 'cd'.repeat(64)]
const sha256 = { algorithm: 'sha256', hex: short }
const sha512 = { algorithm: 'sha512', hex: long }

const texts = [
  { text: short.toUpperCase(), want: sha256 },
  { text: `sha256:${short}`, want: sha256 },
  { text: ` SHA512=${long}\n`, want: sha512 },
  { text: `sha512:${short}`, want: undefined },
  { text: `md5:${'0'.repeat(32)}`, want: undefined },
  { text: 'zz', want: undefined },
]
for (const { text, want } of texts)
  t.test(`"${text.trim().slice(0, 20)}"`, async (t) => t.same(parseChecksum(text), want))

const other = '00'.repeat(32)
const lists = [
  { name: "sha256sum's list", text: `${other}  other.img\n${short}  disk.img\n`, want: sha256 },
  { name: 'binary mode and a folder', text: `${other} *x\r\n${short} *./images/disk.img\r\n`, want: sha256 },
  { name: "BSD's list", text: `SHA512 (x) = ${other}\nSHA512 (disk.img) = ${long}\n`, want: sha512 },
  { name: 'the digits alone', text: `\n${long}\n`, want: sha512 },
  {
    name: 'a signed list',
    text: `-----BEGIN PGP SIGNED MESSAGE-----\n\n${short}  disk.img\n-----BEGIN`,
    want: sha256,
  },
  { name: 'a list without the file', text: `${other}  other.img\n`, want: undefined },
  { name: 'digits of several files', text: `${other}\n${short}\n`, want: undefined },
  { name: 'a page that says it is not there', text: '<html>404</html>', want: undefined },
]
for (const { name, text, want } of lists)
  t.test(name, async (t) => t.same(findChecksum(text, 'disk.img'), want))
