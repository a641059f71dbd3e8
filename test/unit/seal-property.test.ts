// Whatever is done to a sealed vault, it does not open. The long runs are in stress/.

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { seal, unseal } from '../../lib/seal.ts';

const key = Buffer.alloc(32, 1);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

test('a vault opens to what was sealed, and with any byte of it changed, put in, or taken away, to nothing', () => {
  fc.assert(
    fc.property(bytes(300), fc.nat(400), fc.nat(40), bytes(40), (plaintext, at, removed, inserted) => {
      const sealed = Buffer.concat(seal([Buffer.from(plaintext)], key, Buffer.alloc(32, 2)));
      expect(unseal(sealed, key)).toEqual(plaintext);
      const changed = Buffer.concat([sealed.subarray(0, at), inserted, sealed.subarray(at + removed)]);
      // The salt's own bytes count only where the key is derived from them.
      fc.pre(!changed.subarray(32).equals(sealed.subarray(32)));
      expect(() => unseal(changed, key)).toThrow(expect.objectContaining({ code: 'wrong-passphrase' }));
    }),
    { numRuns: 1000 },
  );
});
