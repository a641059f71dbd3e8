// docs/json.md as a machine reads it, and what an object that a verb wrote has against it.

import { readFileSync } from 'node:fs';

import { isErrorCode } from '../../lib/errors.ts';

const PAGE = readFileSync(new URL('../../docs/json.md', import.meta.url), 'utf8');

interface Field {
  /** `state`, `init.pid`, `members[].name`. */
  readonly path: string;
  readonly type: string;
  readonly given: string;
}

const OF_EVERY_VERB = 'Of every verb';

/** What the page says, by its headings: `Of every verb`, `tazpod vault list`. */
export const SECTIONS: ReadonlyMap<string, readonly Field[]> = new Map(
  PAGE.split(/^## /m)
    .slice(1)
    .map((text) => [(text.split('\n')[0] ?? '').replaceAll('`', ''), rows(text, 4).map(fieldOf)]),
);

/** The error codes of the page, with their exit statuses. */
export const CODES: ReadonlyMap<string, number> = new Map(
  rows(PAGE, 2).map(([code = '', status]) => [code.replaceAll('`', ''), Number(status)]),
);

/** The cells of every table row of so many columns; heads and rules are none. */
function rows(text: string, columns: number): string[][] {
  return text
    .split('\n')
    .map((line) => line.split(/ *\| */).slice(1, -1))
    .filter((cells) => cells.length === columns && cells[0]?.startsWith('`'));
}

function fieldOf([path = '', type = '', given = '']: readonly string[]): Field {
  return { path: path.replaceAll('`', ''), type, given };
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Every way in which `object`, written by `tazpod VERB`, differs from the page. */
export function faultsOf(verb: string, object: JsonObject): string[] {
  const fields = [...(SECTIONS.get(OF_EVERY_VERB) ?? []), ...(SECTIONS.get(`tazpod ${verb}`) ?? [])];
  const ok = object['ok'] === true;
  const found = valuesIn(object);
  return [
    ...found
      .filter(({ path }) => !fields.some((field) => field.path === path))
      .map(({ path }) => `${path} is not on the page`),
    ...fields.flatMap(({ path, type }) =>
      found
        .filter((value) => value.path === path && !isOfType(value.value, type))
        .map(({ value }) => `${path} is ${JSON.stringify(value)}, not ${type}`),
    ),
    ...fields
      .filter(({ given }) => given === 'always' || (given === 'ok' && ok) || (given === 'error' && !ok))
      .flatMap(({ path }) => missing(object, path)),
  ];
}

/** The fields of the verb's section that none of the objects has. */
export function neverSeen(verb: string, objects: readonly JsonObject[]): string[] {
  const seen = new Set(objects.flatMap((object) => valuesIn(object).map(({ path }) => path)));
  return (SECTIONS.get(`tazpod ${verb}`) ?? []).map(({ path }) => path).filter((path) => !seen.has(path));
}

/** Every value in an object, at its path. */
function valuesIn(object: JsonObject, prefix = ''): { readonly path: string; readonly value: unknown }[] {
  return Object.entries(object).flatMap(([name, value]) => {
    const path = `${prefix}${name}`;
    const inner = Array.isArray(value)
      ? value.filter(isObject).flatMap((element) => valuesIn(element, `${path}[].`))
      : isObject(value)
        ? valuesIn(value, `${path}.`)
        : [];
    return [{ path, value }, ...inner];
  });
}

/** Says where `path` leads to nothing, though what it is in is there. */
function missing(object: JsonObject, path: string): string[] {
  const [, parent = '', separator, name = ''] = /^(?:(.*)(\[\]\.|\.))?([^.]*)$/.exec(path) ?? [];
  const parents =
    parent === '' ? [object] : valuesIn(object).flatMap((found) => (found.path === parent ? [found.value] : []));
  const holders = separator === '[].' ? parents.filter(Array.isArray).flat() : parents;
  return holders
    .filter(isObject)
    .filter((holder) => !Object.hasOwn(holder, name))
    .map(() => `${path} is missing`);
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'boolean':
    case 'string':
    case 'object':
      return typeof value === type;
    case 'integer':
      return Number.isSafeInteger(value);
    case 'list':
      return Array.isArray(value) && value.every(isObject);
    case 'strings':
      return Array.isArray(value) && value.every((element) => typeof element === 'string');
    case 'time':
      return typeof value === 'string' && new Date(value).toISOString() === value;
    case 'code':
      return isErrorCode(value);
    default: {
      const words = Array.from(type.matchAll(/"([^"]+)"/g), ([, word]) => word);
      if (words.length === 0) throw new Error(`docs/json.md has a type that nobody knows: ${type}`);
      return words.includes(String(value));
    }
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
