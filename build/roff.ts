// Manual pages in roff, with the macros of man(7): the few that our pages need, and plain text made safe for them.

/** What roff would take for something else, or set as another character than a shell needs. */
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\e',
  '-': '\\-',
  '`': '\\(ga',
  "'": '\\(aq',
  '"': '\\(dq',
  '^': '\\(ha',
  '~': '\\(ti',
  '…': '...',
  '–': '\\(en',
  '·': '\\(bu',
  '→': '\\(->',
};

/**
 * Text in one line; what stands in backticks is set bold.
 * @throws Error for a character that there is no escape for, so that none is lost in a terminal without UTF-8
 */
export function inline(text: string): string {
  const marked = text.split('`').map((part, index) => (index % 2 === 1 ? `\\fB${escape(part)}\\fR` : escape(part)));
  // A dot at the beginning of a line would be a request.
  return marked.join('').replace(/^\./, '\\&.');
}

function escape(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9 ]/g, (character) => {
    const escaped = ESCAPES[character] ?? character;
    if (/[^\x20-\x7e]/.test(escaped)) throw new Error(`cannot set "${character}" in a manual page: give it an escape`);
    return escaped;
  });
}

export function title(name: string, version: string): string {
  return `.TH ${name.toUpperCase().replaceAll('-', '\\-')} 1 "" "tazpod ${version}" "TazPod"`;
}

export function section(name: string, ...body: readonly string[]): string {
  return [`.SH ${name}`, ...body].join('\n');
}

export function subsection(name: string, ...body: readonly string[]): string {
  return [`.SS ${inline(name)}`, ...body].join('\n');
}

/** Lines as `--help` has them: an empty one ends a paragraph, one that is indented is shown as it is. */
export function paragraphs(lines: readonly string[]): string {
  const set: string[] = [];
  let wasExample = false;
  for (const line of lines) {
    const isExample = line.startsWith('  ');
    if (isExample !== wasExample) set.push(isExample ? '.PP\n.EX' : '.EE');
    if (line === '') set.push('.PP');
    else set.push(inline(isExample ? line : line.trimStart()));
    wasExample = isExample;
  }
  if (wasExample) set.push('.EE');
  return set.join('\n').replaceAll('.PP\n.PP', '.PP');
}

/** A list of terms and what they mean. */
export function terms(rows: Iterable<readonly [term: string, meaning: string]>): string {
  return Array.from(rows, ([term, meaning]) => `.TP\n.B ${inline(term)}\n${inline(meaning)}`).join('\n');
}

export function page(...parts: readonly string[]): string {
  return `${parts.join('\n')}\n`;
}
