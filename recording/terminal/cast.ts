// A recorded terminal session in the format asciicast v2 (docs.asciinema.org/manual/asciicast/v2): a header in one line, then in
// one line each what the screen was sent, with its time.

export interface Cast {
  readonly columns: number;
  readonly rows: number;
  readonly title: string;
  readonly pieces: readonly Piece[];
}

/** What the screen was sent at once. */
export interface Piece {
  /** Seconds since the beginning. */
  readonly time: number;
  readonly text: string;
}

export function encodeCast({ columns, rows, title, pieces }: Cast): string {
  const header = { version: 2, width: columns, height: rows, title };
  const lines = [header, ...pieces.map(({ time, text }) => [Number(time.toFixed(3)), 'o', text])];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

export function decodeCast(file: string): Cast {
  const [header = '', ...events] = file.trimEnd().split('\n');
  const { width, height, title } = JSON.parse(header) as { width: number; height: number; title: string };
  const pieces = events.map((line) => JSON.parse(line) as [number, string, string]);
  return { columns: width, rows: height, title, pieces: pieces.map(([time, , text]) => ({ time, text })) };
}
