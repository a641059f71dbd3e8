// Memory in large pages: what the kernel is told, and that nothing of it can be seen in the bytes.

import { existsSync, readFileSync } from 'node:fs';
import { getRawPointer } from 'node:ffi';
import { describe, expect, test } from 'vitest';

import { useLargePages } from '../../lib/native.ts';

const MEGABYTE = 1024 * 1024;

/** How many bytes of a Buffer are in mappings that large pages are wanted for (`hg`, proc_pid_smaps(5)). */
function advised(bytes: Buffer): number {
  const start = Number(getRawPointer(bytes));
  let covered = 0;
  for (const mapping of readFileSync('/proc/self/smaps', 'latin1').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [, from = '', to = ''] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(mapping) ?? [];
    const length = Math.min(start + bytes.length, Number(`0x${to}`)) - Math.max(start, Number(`0x${from}`));
    if (length > 0 && /^VmFlags:.* hg\b/m.test(mapping)) covered += length;
  }
  return covered;
}

describe.skipIf(!existsSync('/sys/kernel/mm/transparent_hugepage'))('large pages', () => {
  test.each([4, 5, 40])('are wanted for %i megabytes, but for the ends', (megabytes) => {
    const bytes = Buffer.allocUnsafeSlow(megabytes * MEGABYTE + 1);
    useLargePages(bytes);
    expect(advised(bytes)).toBeGreaterThan(bytes.length - 256 * 1024);
    expect(advised(bytes)).toBeLessThanOrEqual(bytes.length);
    expect(bytes.fill(7).every((byte) => byte === 7)).toBe(true);
  });

  test('are not wanted for what may hold none', () => {
    const bytes = Buffer.allocUnsafeSlow(3 * MEGABYTE);
    useLargePages(bytes);
    expect(advised(bytes)).toBe(0);
  });
});
