// The enclave, packed for a vault file: what is in it, what had to be left out, and the file's bytes once they are wanted.
// One key seals and makes the digest for the next baseline. A second one, to compare with what was saved before, is derived only
// where the totals are the same, as soon as they are known.

import type { Version } from '../lib/baseline.ts';
import { type Contents, digestTree, totalsOf } from '../lib/contents-digest.ts';
import { DEFAULT_LIMITS } from '../lib/limits.ts';
import { type LeftOut, packDirectory, type Packed } from '../lib/pack.ts';
import { PASSPHRASE_CACHE_NAME } from '../lib/paths.ts';
import { wipe } from '../lib/passphrase.ts';
import { lengthOf } from '../lib/pieces.ts';
import { deriveKey, digestKeyOf, saltOfFingerprint, seal } from '../lib/seal.ts';
import { removeStaleTemporaries } from '../lib/temporary-file.ts';
import type { DirectoryNode } from '../lib/tree.ts';
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
  /** What is in it, as the next baseline is to have it: the digest's key is that of this vault. */
  readonly contents: Contents;
  /** The first of the versions before that holds the same. */
  readonly same: Version | undefined;
  readonly leftOut: readonly LeftOut[];
  readonly #archive: readonly Buffer[];
  #sealed: readonly Buffer[] | undefined;
  readonly #keys: Keys;
  readonly #line: ProgressLine;

  private constructor(
    { archive, contents, leftOut }: Packed,
    same: Version | undefined,
    keys: Keys,
    line: ProgressLine,
  ) {
    this.contents = contents;
    this.same = same;
    this.leftOut = leftOut;
    this.#archive = archive;
    this.#keys = keys;
    this.#line = line;
  }

  /**
   * Packs the enclave of `device`, and leaves it again; what has to be left out is told.
   * @param line shows how far this is, and what is done with it afterwards
   * @param options.versions what the enclave may hold still
   * @param options.other passphrase to seal with, instead of the cached one; it stays the caller's to wipe
   * @param options.ahead a key that may be the cached passphrase's
   * @throws TazpodError `cannot-mount`, `save-failed`
   */
  static async of(
    device: number,
    output: Output,
    line: ProgressLine,
    options: {
      readonly versions?: readonly Version[];
      readonly other?: Passphrase;
      readonly ahead?: KeyAhead | undefined;
    } = {},
  ): Promise<PackedEnclave> {
    const { versions = [], other, ahead } = options;
    using enclave = enterEnclave(device);
    // What a killed passwd left beside the cache is nothing for a vault.
    await removeStaleTemporaries(PASSPHRASE_CACHE_NAME);
    const passphrase = other ?? readPassphraseCache();
    using _wiped = other ? undefined : passphrase;
    const { salt, key } = ahead?.take(passphrase) ?? newKey(passphrase);
    const digestKey = key.then(digestKeyOf);
    const walked = Promise.withResolvers<DirectoryNode>();
    const comparing = walked.promise.then((tree) => sameAs(tree, versions, passphrase));
    // Their failures are met where they are awaited; until then they must not count as unhandled.
    for (const early of [digestKey, comparing]) early.catch(() => undefined);
    const packed = await packDirectory({
      directory: '.',
      exclude: [PASSPHRASE_CACHE_NAME],
      limits: { ...DEFAULT_LIMITS, contents: enclave.size },
      digestKey,
      onWalked: walked.resolve,
      progress: line.step('packing'),
    });
    for (const { name, reason } of packed.leftOut) output.warn(`${name} is left out: ${reason}`);
    return new PackedEnclave(packed, await comparing, { salt, key: await key }, line);
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

async function sameAs(
  tree: DirectoryNode,
  versions: readonly Version[],
  passphrase: Passphrase,
): Promise<Version | undefined> {
  const { entries, bytes } = totalsOf(tree);
  for (const version of versions) {
    const { fingerprint, contents } = version;
    if (contents.entries !== entries || contents.bytes !== bytes) continue;
    const key = await deriveKey(passphrase.bytes, saltOfFingerprint(fingerprint));
    const digest = digestTree(tree, digestKeyOf(key));
    wipe(key);
    if (digest === contents.digest) return version;
  }
  return undefined;
}
