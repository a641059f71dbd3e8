// What measuring and testing runs leave behind: one JSON file for each under RESULTS, and a page whose tables are made of all
// of them. What stands on the page around the tables is written by hand and stays as it is.

import { readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { format } from 'prettier';

import { PROJECT } from '../sandbox/container.ts';

export class Records<R> {
  readonly #directory: string;
  readonly #page: string;
  readonly #begin: string;

  /**
   * @param place paths in the project, and the command that makes them
   */
  constructor(place: { readonly results: string; readonly page: string; readonly command: string }) {
    this.#directory = join(PROJECT, place.results);
    this.#page = join(PROJECT, place.page);
    this.#begin = `<!-- tables: ${place.command} -->`;
  }

  /** Records a run in place of the last one of its name. */
  async write(name: string, record: R): Promise<void> {
    const text = await format(JSON.stringify(record), { parser: 'json', objectWrap: 'preserve' });
    await writeFile(join(this.#directory, `${name}.json`), text);
  }

  /**
   * Makes the page's tables anew from every run that is recorded.
   * @param names in the order of the page
   * @param describe the Markdown blocks of all runs together
   * @throws Error if the page has lost its markers
   */
  async writePage(names: readonly string[], describe: (records: readonly R[]) => readonly string[]): Promise<void> {
    const recorded = new Set((await readdir(this.#directory)).map((file) => basename(file, '.json')));
    const records = await Promise.all(names.filter((name) => recorded.has(name)).map((name) => this.#read(name)));
    const page = await readFile(this.#page, 'utf8');
    const [begin, end] = [page.indexOf(this.#begin), page.indexOf(END)];
    if (begin === -1 || end < begin) throw new Error(`cannot write the tables: ${this.#page} has no place for them`);
    const text = [page.slice(0, begin) + this.#begin, ...describe(records), page.slice(end)].join('\n\n');
    await writeFile(this.#page, await format(text, { parser: 'markdown', proseWrap: 'preserve', printWidth: 120 }));
  }

  async #read(name: string): Promise<R> {
    return JSON.parse(await readFile(join(this.#directory, `${name}.json`), 'utf8')) as R;
  }
}

const END = '<!-- end of tables -->';

/** A Markdown table of cells, the first row its header; the first column is text, the others are numbers. */
export function table(rows: readonly (readonly string[])[]): string {
  const [header = [], ...rest] = rows;
  const rule = header.map((_, column) => (column === 0 ? ':--' : '--:'));
  return [header, rule, ...rest].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
