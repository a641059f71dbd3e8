// A part of the executable as it lies there: its text, and the code that was compiled of it.

/** Bytes of a word: V8 takes code where it lies if it begins at a multiple of them, and makes a copy of any other. */
export const WORD = 8;

/** Of one length, so that assets whose bytes are a multiple of WORD all begin alike. */
export function assetName(part: string): string {
  return part.padEnd(24);
}

/** The lengths of code and text, 32 bits each; both; and what makes it a multiple of WORD. */
export function packAsset(code: Buffer, text: string): Buffer {
  const lengths = Buffer.alloc(WORD);
  lengths.writeUInt32LE(code.length);
  lengths.writeUInt32LE(text.length, 4);
  const asset = Buffer.concat([lengths, code, Buffer.from(text, 'latin1')]);
  return Buffer.concat([asset, Buffer.alloc(-asset.length & (WORD - 1))]);
}

/** The code is a view of `asset`. */
export function unpackAsset(asset: ArrayBuffer): { readonly code: Buffer; readonly text: string } {
  const bytes = Buffer.from(asset);
  const [textAt, end] = [WORD + bytes.readUInt32LE(), WORD + bytes.readUInt32LE() + bytes.readUInt32LE(4)];
  return { code: bytes.subarray(WORD, textAt), text: bytes.toString('latin1', textAt, end) };
}
