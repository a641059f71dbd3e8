// A recorded session as a picture that plays by itself: an SVG whose text appears when the terminal showed it, and scrolls as the
// terminal did. For sessions that only ever write on: what is on the screen is not written over. Where nothing is animated
// (a printer, a reader who wants it so) all of it is there, at its end.

import headless from '@xterm/headless';

import type { Cast } from './cast.ts';

const CELL = { width: 8.4, height: 18, font: 14 };
const MARGIN = 14;
/** How long the end stands before a player might begin anew: the animations are that much longer. */
const LAST_LOOK = 2; // s
const COLOURS = ['#3b4252', '#bf616a', '#a3be8c', '#ebcb8b', '#81a1c1', '#b48ead', '#88c0d0', '#e5e9f0'];

/** Text of one colour that appeared at once. */
interface Fragment {
  readonly row: number;
  readonly column: number;
  readonly text: string;
  readonly colour: string | undefined;
  readonly time: number;
}

export async function drawCast(cast: Cast): Promise<string> {
  const { fragments, scrolls } = await watch(cast);
  const { columns, rows, title, pieces } = cast;
  const width = columns * CELL.width + 2 * MARGIN;
  const height = rows * CELL.height + 2 * MARGIN;
  const whole = (pieces.at(-1)?.time ?? 0) + LAST_LOOK;
  const lastTop = scrolls.at(-1)?.top ?? 0;
  const steps = scrolls.map(({ top, time }) => `${((100 * time) / whole).toFixed(2)}%{transform:${upwards(top)}}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title)}">
<title>${escape(title)}</title>
<style>
text{font:${CELL.font}px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d8dee9;white-space:pre}
@keyframes hidden{from,to{opacity:0}}
@keyframes scroll{${steps.join('')}100%{transform:${upwards(lastTop)}}}
.f{animation:hidden 0s linear}
.screen{transform:${upwards(lastTop)};animation:scroll ${whole.toFixed(2)}s step-end}
@media (prefers-reduced-motion:reduce){.f,.screen{animation:none}}
</style>
<rect width="${width}" height="${height}" rx="8" fill="#2e3440"/>
<svg x="${MARGIN}" y="${MARGIN}" width="${columns * CELL.width}" height="${rows * CELL.height}"><g class="screen">
${fragments.map(drawFragment).join('\n')}
</g></svg>
</svg>
`;
}

function drawFragment({ row, column, text, colour, time }: Fragment): string {
  const x = (column * CELL.width).toFixed(1);
  const y = row * CELL.height + CELL.font;
  const length = (text.length * CELL.width).toFixed(1);
  const fill = colour === undefined ? '' : `;fill:${colour}`;
  return `<text class="f" x="${x}" y="${y}" textLength="${length}" style="animation-duration:${time.toFixed(2)}s${fill}">${escape(text)}</text>`;
}

function upwards(row: number): string {
  return `translateY(${-row * CELL.height}px)`;
}

/** Plays a session to a terminal, and notes what appears when, and when it scrolls. */
async function watch({ columns, rows, pieces }: Cast) {
  const terminal = new headless.Terminal({ cols: columns, rows, scrollback: 10_000, allowProposedApi: true });
  const { active: buffer } = terminal.buffer;
  const fragments: Fragment[] = [];
  const scrolls: { top: number; time: number }[] = [{ top: 0, time: 0 }];
  const seen = new Map<number, number>();
  let from = 0;
  for (const { time, text } of pieces) {
    await new Promise<void>((resolve) => terminal.write(text, resolve));
    const last = buffer.baseY + buffer.cursorY;
    for (let row = from; row <= last; row++) {
      const line = buffer.getLine(row);
      const end = line?.translateToString(true).length ?? 0;
      for (let column = seen.get(row) ?? 0; column < end;) {
        const colour = colourOf(line?.getCell(column));
        let next = column;
        while (next < end && colourOf(line?.getCell(next)) === colour) next++;
        const shown = line?.translateToString(false, column, next) ?? '';
        const text = shown.trimStart();
        if (text !== '') fragments.push({ row, column: column + shown.length - text.length, text, colour, time });
        column = next;
      }
      seen.set(row, Math.max(end, seen.get(row) ?? 0));
    }
    from = last;
    if (buffer.baseY > (scrolls.at(-1)?.top ?? 0)) scrolls.push({ top: buffer.baseY, time });
  }
  return { fragments, scrolls };
}

/** Of the sixteen colours; undefined for the terminal's own. */
function colourOf(cell: { isFgPalette(): boolean; getFgColor(): number } | undefined): string | undefined {
  return cell?.isFgPalette() === true ? COLOURS[cell.getFgColor() % COLOURS.length] : undefined;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
