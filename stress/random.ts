// Numbers that look random and come again with the same seed. Each item of a run has its own, so that one item can be made
// without those before it. sfc32 (Chris Doty-Humphrey, PractRand), fast and far better than is needed here.

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed of the run, and the item's number: 32 bits each */
  constructor(seed: number, item: number) {
    this.#a = 0x9e3779b9;
    this.#b = seed | 0;
    this.#c = item | 0;
    // What is alike in two seeds is gone after as many rounds.
    for (let round = 0; round < 12; round++) this.bits();
  }

  /** 32 random bits. */
  bits(): number {
    const result = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }

  /** A whole number from 0 up to, but without, `end`. */
  below(end: number): number {
    return Math.floor((this.bits() / 2 ** 32) * end);
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at++) bytes[at] = this.bits();
    return bytes;
  }
}
