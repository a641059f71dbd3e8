// Bytes that lie in several pieces of memory: large ones are never copied together.

export function lengthOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}
