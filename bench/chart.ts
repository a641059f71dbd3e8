// The chart in docs/benchmarks.md: how long we take for each thing that people would do otherwise, as a share of what that takes.
// Made from the recorded figures; plain SVG, legible on a light page and on a dark one.

import type { RecordedFigure } from './record.ts';

const WIDTH = 860;
const ROW = 26;
const TOP = 46;
const LABEL = 300;
const SCALE = 200; // pixels for what the other takes
const MOST = 2.4; // times the other, where bars are cut off

interface Bar {
  readonly label: string;
  readonly other: string;
  readonly ratio: number;
}

/** Each figure in which we must be so many times as fast as what people use otherwise. */
export function chart(figures: readonly RecordedFigure[]): string {
  const bars = figures.flatMap(barOf);
  const height = TOP + ROW * bars.length + 14;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img"`,
    ` aria-label="Our time as a share of the other's, for each figure" font-family="sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${LABEL}" y="20" fill="#57606a">our median as a share of the other’s: shorter is faster</text>`,
    `<line x1="${LABEL + SCALE}" x2="${LABEL + SCALE}" y1="${TOP - 14}" y2="${height - 10}" stroke="#57606a" stroke-dasharray="4 3"/>`,
    `<text x="${LABEL + SCALE}" y="${TOP - 2}" fill="#57606a" text-anchor="middle" font-size="11">1 ×</text>`,
    ...bars.map(rowOf),
    `</svg>\n`,
  ].join('\n');
}

function barOf({ title, reference, bar, contestants }: RecordedFigure): Bar[] {
  const [ours] = Object.keys(contestants);
  const [own, other] = [contestants[ours ?? '']?.median, contestants[reference]?.median];
  if (!bar?.text.includes('×') || !ours?.startsWith('tazpod') || !own || !other || !reference.includes(' + '))
    return [];
  const label = title.replace(/:? from .*$/, '').replace(', everything changed', '');
  return [{ label, other: reference, ratio: own / other }];
}

function rowOf({ label, other, ratio }: Bar, index: number): string {
  const y = TOP + ROW * index;
  const length = Math.min(ratio, MOST) * SCALE;
  const colour = ratio <= 1 ? '#1a7f37' : '#bc4c00';
  return [
    `<text x="${LABEL - 10}" y="${y + 17}" text-anchor="end" fill="#1f2328">${label}</text>`,
    `<rect x="${LABEL}" y="${y + 5}" width="${length.toFixed(1)}" height="16" rx="2" fill="${colour}"/>`,
    `<text x="${(LABEL + length + 8).toFixed(1)}" y="${y + 17}" fill="#1f2328">${ratio.toFixed(2)} × ${other}</text>`,
  ].join('\n');
}
