/** Checksums that answer at once, without node: or WebCrypto (which only promises): FIPS 180-4, RFC 1950. */

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function adler32(bytes: Uint8Array): number {
  let a = 1
  let b = 0
  for (const byte of bytes) {
    a = (a + byte) % 65521
    b = (b + a) % 65521
  }
  return b * 65536 + a
}

/** The message with a 1 bit, zeros and its length in bits, a multiple of `block` bytes. */
function padded(bytes: Uint8Array, block: 64 | 128): DataView {
  const size = Math.ceil((bytes.length + 1 + block / 8) / block) * block
  const view = new DataView(new ArrayBuffer(size))
  new Uint8Array(view.buffer).set(bytes)
  view.setUint8(bytes.length, 0x80)
  view.setBigUint64(size - 8, BigInt(bytes.length) * 8n)
  return view
}

const rotateLeft = (value: number, by: number) => (value << by) | (value >>> (32 - by))

export function sha1(bytes: Uint8Array): Uint8Array {
  const message = padded(bytes, 64)
  const state = new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0])
  const words = new Int32Array(80)
  for (let at = 0; at < message.byteLength; at += 64) {
    for (let i = 0; i < 80; i++)
      words[i] =
        i < 16
          ? message.getInt32(at + i * 4)
          : rotateLeft(words[i - 3]! ^ words[i - 8]! ^ words[i - 14]! ^ words[i - 16]!, 1)
    let [a, b, c, d, e] = state as unknown as [number, number, number, number, number]
    for (let i = 0; i < 80; i++) {
      const [mixed, constant] =
        i < 20
          ? [(b & c) | (~b & d), 0x5a827999]
          : i < 40
            ? [b ^ c ^ d, 0x6ed9eba1]
            : i < 60
              ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
              : [b ^ c ^ d, 0xca62c1d6]
      const next = (rotateLeft(a, 5) + mixed + e + constant + words[i]!) | 0
      ;[e, d, c, b, a] = [d, c, rotateLeft(b, 30), a, next]
    }
    ;[a, b, c, d, e].forEach((value, i) => (state[i] = state[i]! + value))
  }
  return bytesOfWords(state)
}

function bytesOfWords(words: Int32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(words.length * 4))
  words.forEach((word, i) => view.setInt32(i * 4, word))
  return new Uint8Array(view.buffer)
}

/** The first 80 primes: SHA-2 takes its constants from their square and cube roots. */
const primes: readonly bigint[] = (() => {
  const found: bigint[] = []
  for (let n = 2n; found.length < 80; n++) if (found.every((prime) => n % prime !== 0n)) found.push(n)
  return found
})()

/** The first 64 bits behind the point of the `degree`th root of `value`. */
function rootBits(value: bigint, degree: 2n | 3n): bigint {
  const scaled = value << (64n * degree)
  let low = 0n
  let high = 1n << 72n
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if (middle ** degree <= scaled) low = middle
    else high = middle
  }
  return BigInt.asUintN(64, low)
}

const squareRoots = primes.slice(0, 8).map((prime) => rootBits(prime, 2n))
const cubeRoots = primes.map((prime) => rootBits(prime, 3n))

export function sha256(bytes: Uint8Array): Uint8Array {
  const message = padded(bytes, 64)
  const constants = Int32Array.from(cubeRoots.slice(0, 64), (root) => Number(root >> 32n) | 0)
  const state = Int32Array.from(squareRoots, (root) => Number(root >> 32n) | 0)
  const words = new Int32Array(64)
  const right = (value: number, by: number) => (value >>> by) | (value << (32 - by))
  for (let at = 0; at < message.byteLength; at += 64) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) {
        words[i] = message.getInt32(at + i * 4)
        continue
      }
      const x = words[i - 15]!
      const y = words[i - 2]!
      const small = right(x, 7) ^ right(x, 18) ^ (x >>> 3)
      words[i] = words[i - 16]! + small + words[i - 7]! + (right(y, 17) ^ right(y, 19) ^ (y >>> 10))
    }
    let [a, b, c, d, e, f, g, h] = Array.from(state) as Eight<number>
    for (let i = 0; i < 64; i++) {
      const large = right(e, 6) ^ right(e, 11) ^ right(e, 25)
      const first = (h + large + ((e & f) ^ (~e & g)) + constants[i]! + words[i]!) | 0
      const second = ((right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
      ;[h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0]
    }
    ;[a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] = state[i]! + value))
  }
  return bytesOfWords(state)
}

type Eight<T> = [T, T, T, T, T, T, T, T]

export function sha512(bytes: Uint8Array): Uint8Array {
  const message = padded(bytes, 128)
  const state = BigUint64Array.from(squareRoots)
  const words = new BigUint64Array(80)
  const cut = (value: bigint) => BigInt.asUintN(64, value)
  const right = (value: bigint, by: bigint) => cut((value >> by) | (value << (64n - by)))
  for (let at = 0; at < message.byteLength; at += 128) {
    for (let i = 0; i < 80; i++) {
      if (i < 16) {
        words[i] = message.getBigUint64(at + i * 8)
        continue
      }
      const x = words[i - 15]!
      const y = words[i - 2]!
      const small = right(x, 1n) ^ right(x, 8n) ^ (x >> 7n)
      words[i] = words[i - 16]! + small + words[i - 7]! + (right(y, 19n) ^ right(y, 61n) ^ (y >> 6n))
    }
    let [a, b, c, d, e, f, g, h] = Array.from(state) as Eight<bigint>
    for (let i = 0; i < 80; i++) {
      const large = right(e, 14n) ^ right(e, 18n) ^ right(e, 41n)
      const first = cut(h + large + ((e & f) ^ (cut(~e) & g)) + cubeRoots[i]! + words[i]!)
      const second = (right(a, 28n) ^ right(a, 34n) ^ right(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c))
      ;[h, g, f, e, d, c, b, a] = [g, f, e, cut(d + first), c, b, a, cut(first + second)]
    }
    ;[a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] = state[i]! + value))
  }
  const view = new DataView(new ArrayBuffer(64))
  state.forEach((word, i) => view.setBigUint64(i * 8, word))
  return new Uint8Array(view.buffer)
}
