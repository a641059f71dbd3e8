// The enclave, packed for a vault file: what is in it, what had to be left out, and the file's bytes once they are wanted.
// Whatever is written of it must pass `verify`, which is unlock's own acceptance, before it counts.

import type { Baseline } from '../lib/baseline.ts';
import { checkArchive } from '../lib/check-archive.ts';
import { DEFAULT_LIMITS, type ArchiveLimits } from '../lib/limits.ts';
import { type LeftOut, packDirectory } from '../lib/pack.ts';
import { PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import { wipe } from '../lib/passphrase.ts';
import { release } from '../lib/release.ts';
import { deriveKey, digestKeyOf, newSalt, seal, unseal } from '../lib/seal.ts';
import { removeStaleTemporaries } from '../lib/temporary-file.ts';
import { enterEnclave } from './enclave-directory.ts';
import type { Output } from './output.ts';
import type { ProgressLine } from './progress-line.ts';
import { readPassphraseCache } from './passphrase-cache.ts';
import type { Passphrase } from './passphrase-source.ts';
import { formatSize } from './size.ts';

interface Keys {
  readonly salt: Buffer;
  readonly key: Buffer;
  readonly digestKey: Buffer;
}

export class PackedEnclave implements Disposable {
  /** Digest of the contents, to be compared with a baseline's. */
  readonly contents: string;
  readonly leftOut: readonly LeftOut[];
  readonly #archive: Buffer;
  #sealed: Buffer | undefined;
  readonly #keys: Keys;
  readonly #limits: ArchiveLimits;
  readonly #line: ProgressLine;

  private constructor(
    { archive, contents, leftOut }: { archive: Buffer; contents: string; leftOut: readonly LeftOut[] },
    keys: Keys,
    limits: ArchiveLimits,
    line: ProgressLine,
  ) {
    this.contents = contents;
    this.leftOut = leftOut;
    this.#archive = archive;
    this.#keys = keys;
    this.#limits = limits;
    this.#line = line;
  }

  /**
   * Packs the enclave of `device`, and leaves it again; what has to be left out is told.
   * @param baseline the salt that the digest's key comes from
   * @param line shows how far this is, and what is done with it afterwards
   * @param other passphrase to seal with, instead of the cached one; it stays the caller's to wipe
   * @throws TazpodError `cannot-mount`, `save-failed`
   */
  static async of(
    device: number,
    baseline: Pick<Baseline, 'salt'>,
    output: Output,
    line: ProgressLine,
    other?: Passphrase,
  ): Promise<PackedEnclave> {
    using enclave = enterEnclave(device);
    // What a killed passwd left beside the cache is nothing for a vault.
    await removeStaleTemporaries(PASSPHRASE_CACHE_NAME);
    const passphrase = other ?? readPassphraseCache();
    using _wiped = other ? undefined : passphrase;
    const salt = newSalt();
    const digestKey = deriveKey(passphrase.bytes, Buffer.from(baseline.salt, 'hex')).then(digestKeyOf);
    const key = deriveKey(passphrase.bytes, salt);
    // Their failure is met where they are awaited; until then it must not count as unhandled.
    for (const early of [digestKey, key]) early.catch(() => undefined);
    const limits = { ...DEFAULT_LIMITS, contents: enclave.size };
    const packed = await packDirectory({
      directory: '.',
      exclude: [PASSPHRASE_CACHE_NAME],
      limits,
      digestKey,
      progress: line.step('packing'),
    });
    for (const { name, reason } of packed.leftOut) output.warn(`${name} is left out: ${reason}`);
    return new PackedEnclave(packed, { salt, key: await key, digestKey: await digestKey }, limits, line);
  }

  /** The bytes of a vault file. */
  seal(): Buffer {
    if (this.#sealed) return this.#sealed;
    this.#line.step(`writing ${formatSize(this.#archive.length)}`);
    this.#sealed = seal(this.#archive, this.#keys.key, this.#keys.salt);
    // Nobody needs it any more, and the check is going to need room of its own.
    wipe(this.#archive);
    release(this.#archive);
    return this.#sealed;
  }

  /** @throws unless an unlock would accept these bytes, and find what was packed */
  readonly verify = async (readBack: Buffer): Promise<void> => {
    const { key, digestKey } = this.#keys;
    const plaintext = unseal(readBack, key);
    release(readBack);
    try {
      const found = await checkArchive(plaintext, {
        limits: this.#limits,
        digestKey,
        progress: this.#line.step('checking'),
      });
      if (found.contents !== this.contents) throw new Error('what was read back is not what was packed');
    } finally {
      wipe(plaintext);
    }
  };

  [Symbol.dispose](): void {
    if (!this.#sealed) wipe(this.#archive);
    wipe(this.#keys.key);
    wipe(this.#keys.digestKey);
  }
}
