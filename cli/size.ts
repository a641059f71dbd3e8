// Sizes as people write them: 64m, 1g, 4096. Binary multiples, as mount(8) has them for tmpfs.

const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes, or nothing where `text` is no size of at least one byte. */
export function parseSize(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,15})([kmg]?)$/i.exec(text) ?? [];
  const bytes = Number(digits) * (FACTORS[unit.toLowerCase()] ?? 0);
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A number of bytes in a few characters, for a person. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  for (const [unit, scale] of [
    ['kB', 1e3],
    ['MB', 1e6],
  ] as const) {
    const value = bytes / scale;
    if (value < 999.5) return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
  }
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** A number of bytes as an option takes it, for a person to compare with one: 64m. Rounded down to a whole unit. */
export function sizeOption(bytes: number): string {
  for (const [unit, factor] of [
    ['g', 1024 ** 3],
    ['m', 1024 ** 2],
    ['k', 1024],
  ] as const) {
    if (bytes >= 10 * factor || (bytes >= factor && bytes % factor === 0))
      return `${Math.floor(bytes / factor)}${unit}`;
  }
  return String(bytes);
}
