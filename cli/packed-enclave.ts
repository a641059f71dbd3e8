// The enclave, packed for a vault file: what is in it, what had to be left out, and the file's bytes once they are wanted.

import type { Baseline } from '../lib/baseline.ts';
import { DEFAULT_LIMITS } from '../lib/limits.ts';
import { type LeftOut, packDirectory, type Packed } from '../lib/pack.ts';
import { PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import { wipe } from '../lib/passphrase.ts';
import { lengthOf } from '../lib/pieces.ts';
import { deriveKey, digestKeyOf, seal } from '../lib/seal.ts';
import { removeStaleTemporaries } from '../lib/temporary-file.ts';
import { readPassphraseCache } from './cached-passphrase.ts';
import { enterEnclave } from './enclave-directory.ts';
import { type KeyAhead, newKey } from './key-ahead.ts';
import type { Output } from './output.ts';
import type { ProgressLine } from './progress-line.ts';
import type { Passphrase } from './passphrase-source.ts';
import { formatSize } from './size.ts';

interface Keys {
  readonly salt: Buffer;
  readonly key: Buffer;
}

export class PackedEnclave implements Disposable {
  /** Digest of the contents, to be compared with a baseline's. */
  readonly contents: string;
  readonly leftOut: readonly LeftOut[];
  readonly #archive: readonly Buffer[];
  #sealed: readonly Buffer[] | undefined;
  readonly #keys: Keys;
  readonly #line: ProgressLine;

  private constructor({ archive, contents, leftOut }: Packed, keys: Keys, line: ProgressLine) {
    this.contents = contents;
    this.leftOut = leftOut;
    this.#archive = archive;
    this.#keys = keys;
    this.#line = line;
  }

  /**
   * Packs the enclave of `device`, and leaves it again; what has to be left out is told.
   * @param baseline the salt that the digest's key comes from
   * @param line shows how far this is, and what is done with it afterwards
   * @param options.other passphrase to seal with, instead of the cached one; it stays the caller's to wipe
   * @param options.ahead a key that may be the cached passphrase's
   * @throws TazpodError `cannot-mount`, `save-failed`
   */
  static async of(
    device: number,
    baseline: Pick<Baseline, 'salt'>,
    output: Output,
    line: ProgressLine,
    { other, ahead }: { readonly other?: Passphrase; readonly ahead?: KeyAhead | undefined } = {},
  ): Promise<PackedEnclave> {
    using enclave = enterEnclave(device);
    // What a killed passwd left beside the cache is nothing for a vault.
    await removeStaleTemporaries(PASSPHRASE_CACHE_NAME);
    const passphrase = other ?? readPassphraseCache();
    using _wiped = other ? undefined : passphrase;
    const { salt, key } = ahead?.take(passphrase) ?? newKey(passphrase);
    const digestKey = deriveKey(passphrase.bytes, Buffer.from(baseline.salt, 'hex')).then(digestKeyOf);
    // Its failure is met where it is awaited; until then it must not count as unhandled.
    digestKey.catch(() => undefined);
    const packed = await packDirectory({
      directory: '.',
      exclude: [PASSPHRASE_CACHE_NAME],
      limits: { ...DEFAULT_LIMITS, contents: enclave.size },
      digestKey,
      progress: line.step('packing'),
    });
    for (const { name, reason } of packed.leftOut) output.warn(`${name} is left out: ${reason}`);
    return new PackedEnclave(packed, { salt, key: await key }, line);
  }

  /** The bytes of a vault file, in pieces. */
  seal(): readonly Buffer[] {
    if (this.#sealed) return this.#sealed;
    this.#line.step(`writing ${formatSize(lengthOf(this.#archive))}`);
    this.#sealed = seal(this.#archive, this.#keys.key, this.#keys.salt);
    return this.#sealed;
  }

  [Symbol.dispose](): void {
    if (!this.#sealed) this.#archive.forEach(wipe);
    wipe(this.#keys.key);
  }
}
