// The documents cannot rot: every test that they name is there, and every promise names one.
// A test is named by a link: its title, leading to its file.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const DOCS = join(import.meta.dirname, '../../docs');
const DOCUMENTS = ['autolock.md', 'security.md', 'privileges.md', 'vault-format.md'];

/** A test that a document names. */
interface Named {
  readonly title: string;
  readonly file: string;
}

function testsNamedIn(document: string): Named[] {
  // A line may end within a title.
  const links = document.matchAll(/\[([^[\]]+)\]\(\.\.\/(test\/[^()]+\.test\.ts)\)/g);
  return Array.from(links, ([, title = '', file = '']) => ({ title: title.replaceAll(/\s+/g, ' '), file }));
}

/** The string literals of a program, as they are when it runs. */
function literalsOf(source: string): string[] {
  const literals = source.matchAll(/'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`|"((?:[^"\\\n]|\\.)*)"/g);
  return Array.from(literals, ([, ...kinds]) =>
    (kinds.find((text) => text !== undefined) ?? '').replaceAll(/\\(.)/g, '$1'),
  );
}

/** Whether a file has a test of that title: word for word, or made of a table's row (`$name`, `%s`). */
function hasTest({ title, file }: Named): boolean {
  const literals = new Set(literalsOf(readFileSync(join(DOCS, '..', file), 'utf8')));
  if (literals.has(title)) return true;
  return Array.from(literals).some((template) => {
    const parts = template.split(/\$name|%s/);
    if (parts.length !== 2) return false;
    const [before = '', after = ''] = parts;
    if (!title.startsWith(before) || !title.endsWith(after)) return false;
    return literals.has(title.slice(before.length, title.length - after.length));
  });
}

describe.each(DOCUMENTS)('docs/%s', (name) => {
  const document = readFileSync(join(DOCS, name), 'utf8');

  test('names tests, and each of them is there', () => {
    const named = testsNamedIn(document);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((one) => !hasTest(one))).toEqual([]);
  });

  test('has a test in every row of a table that says what holds it', () => {
    const tables = document.matchAll(/^\|.*\bheld by\b.*\|\n\|[-| :]+\|\n((?:\|.*\|\n)*)/gim);
    const rows = Array.from(tables, ([, body = '']) => body.trimEnd().split('\n')).flat();
    expect(rows.filter((row) => testsNamedIn(row).length === 0)).toEqual([]);
  });
});

test('a title that no test has is not found', () => {
  const file = 'test/unit/documents.test.ts';
  expect(hasTest({ file, title: 'a title that no test has is not found' })).toBe(true);
  expect(hasTest({ file, title: ['a title that', 'no test has'].join(' ') })).toBe(false);
});
