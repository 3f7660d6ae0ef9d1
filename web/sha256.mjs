// @ts-check
/* SHA-256 fed in pieces, because crypto.subtle wants the whole file in memory at once.
 * May import: nothing. FIPS 180-4. */

const K = new Uint32Array(64);
const INITIAL = new Uint32Array(8);

/* The constants are the first 32 bits of the fractional parts of cube and square roots of the first primes. */
{
  let n = 2;
  for (let i = 0; i < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    K[i] = fraction(Math.cbrt(n));
    if (i < 8) INITIAL[i] = fraction(Math.sqrt(n));
    i++;
  }
}

/** @param {number} x */
function fraction(x) {
  return Math.floor((x - Math.floor(x)) * 2 ** 32);
}

export class Sha256 {
  #state = INITIAL.slice();
  #w = new Int32Array(64);
  #block = new Uint8Array(64);
  #filled = 0;
  #total = 0;

  /** @param {Uint8Array} bytes */
  update(bytes) {
    this.#total += bytes.length;
    let at = 0;
    if (this.#filled) {
      const n = Math.min(64 - this.#filled, bytes.length);
      this.#block.set(bytes.subarray(0, n), this.#filled);
      this.#filled += n;
      at = n;
      if (this.#filled < 64) return this;
      this.#compress(this.#block, 0);
      this.#filled = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at));
    this.#filled = bytes.length - at;
    return this;
  }

  /** The digest in lower-case hex. The object cannot be used after it. */
  hex() {
    const bits = this.#total * 8;
    const pad = new Uint8Array(((this.#filled < 56 ? 56 : 120) - this.#filled) + 8);
    pad[0] = 0x80;
    const view = new DataView(pad.buffer);
    view.setUint32(pad.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(pad.length - 4, bits >>> 0);
    this.update(pad);
    return Array.from(this.#state, (v) => v.toString(16).padStart(8, '0')).join('');
  }

  /**
   * @param {Uint8Array} p
   * @param {number} o
   */
  #compress(p, o) {
    const w = this.#w;
    for (let i = 0; i < 16; i++, o += 4) w[i] = (p[o] << 24) | (p[o + 1] << 16) | (p[o + 2] << 8) | p[o + 3];
    for (let i = 16; i < 64; i++) {
      const a = w[i - 15];
      const b = w[i - 2];
      const s0 = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
      const s1 = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    const s = this.#state;
    let [a, b, c, d, e, f, g, h] = [s[0] | 0, s[1] | 0, s[2] | 0, s[3] | 0, s[4] | 0, s[5] | 0, s[6] | 0, s[7] | 0];
    for (let i = 0; i < 64; i++) {
      const e1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + e1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const a0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (a0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0;
      d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    s[0] += a; s[1] += b; s[2] += c; s[3] += d; s[4] += e; s[5] += f; s[6] += g; s[7] += h;
  }
}
