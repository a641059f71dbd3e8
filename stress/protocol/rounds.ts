// What is said to PID 1 in a round, and what must come back. Each round begins and ends locked, with no connection.

import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { BRIDGE_SOURCE } from '../../lib/paths.ts';
import { isErrorCode } from '../../lib/errors.ts';
import { MAX_LINE_BYTES } from '../../lib/protocol.ts';
import { OPERATOR_ID } from '../../sandbox/namespaces.ts';
import { Control } from '../../test/support/control.ts';
import type { Running } from '../../test/support/sandbox.ts';
import type { Random } from '../random.ts';
import { garbage } from './garbage.ts';
import { Model, OPS, type Answer } from './model.ts';

/** A finding is thrown: the round is over then. */
export class Finding extends Error {}

const CLIENTS = 4;
const REQUESTS = 30;

/**
 * Requests in any order on several connections that come and go, as the model has it.
 * @returns how many messages were sent
 */
export async function orderly(running: Running, random: Random): Promise<number> {
  const model = new Model();
  const history: string[] = [];
  const clients: Control[] = [];
  const gone = new Set<number>();
  const expect = async ({ client, op, verdict, state }: Answer): Promise<void> => {
    const found = await clients[client]?.answer().catch((cause: unknown) => {
      throw new Finding(`"${op}" of ${client} was never answered: ${history.join(' ')}`, { cause });
    });
    const told = verdictOf(found);
    history.push(`${client}:${told}`);
    if (told !== verdict || (state !== undefined && fieldOf(found, 'state') !== state)) {
      throw new Finding(
        `"${op}" was answered with ${JSON.stringify(found)}, not ${verdict} ${state ?? ''}: ${history.join(' ')}`,
      );
    }
    if (op === 'open' && verdict === 'ok' && model.state === 'opening' && random.oneIn(2)) {
      makeSource(running);
      model.hasSource = true;
    }
  };
  // What waits for its turn is not answered: an answer to another, asked later, tells that it has been read.
  using witness = await Control.connect(running);
  try {
    while (clients.length < CLIENTS) {
      const client = await Control.connect(running);
      clients.push(client);
      // A connection that waits to be accepted would be read later than one that is not.
      await client.request({ op: 'status' });
    }
    let sent = 0;
    while (sent < REQUESTS) {
      const ready = clients.map((_, index) => index).filter((index) => !gone.has(index) && !model.isWaiting(index));
      const client = ready[random.below(ready.length)];
      if (client === undefined) break;
      let answers: Answer[];
      if (random.oneIn(15)) {
        // Of those that wait, too.
        const leaver = random.below(CLIENTS);
        if (gone.has(leaver)) continue;
        history.push(`${leaver}:leaves`);
        gone.add(leaver);
        answers = model.leave(leaver);
        await clients[leaver]?.end();
      } else {
        const op = random.pick(OPS);
        history.push(`${client}>${op}`);
        answers = model.request(client, op);
        clients[client]?.write(`${JSON.stringify({ v: 1, op, baseline: String(sent), bytes: sent })}\n`);
        sent += 1;
        if (answers.length === 0) await witness.request({ op: 'status' });
      }
      for (const answer of answers) await expect(answer);
    }
    return sent;
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
}

/** Garbage, line by line, each answered with a refusal that fits into a line itself. */
export async function refused(running: Running, random: Random): Promise<number> {
  using client = await Control.connect(running);
  const count = 1 + random.below(40);
  for (let sent = 1; sent <= count; sent++) {
    const line = garbage(random);
    client.write(Buffer.concat([line, Buffer.from('\n')]));
    if (line.length >= MAX_LINE_BYTES) {
      // The end of the connection; whether its reason can still be read depends on how much was yet to be written.
      await client.ended();
      return sent;
    }
    const answer = await client.answer();
    const verdict = verdictOf(answer);
    const isStatus = verdict === 'ok' && fieldOf(answer, 'state') !== undefined;
    // A commit where the vault is unlocked is no news to PID 1.
    if (verdict !== 'usage' && !(isStatus ? meansStatus(line) : verdict === 'ok' && line.includes('"commit"'))) {
      throw new Finding(
        `${JSON.stringify(line.toString('latin1').slice(0, 500))} was answered with ${JSON.stringify(answer)}`,
      );
    }
    if (JSON.stringify(answer).length >= MAX_LINE_BYTES) throw new Finding(`the answer is longer than a line may be`);
  }
  return count;
}

/** Garbage all at once on many connections, cut into pieces anywhere, which are closed, half-closed or dropped at any moment. */
export async function flooded(running: Running, random: Random): Promise<number> {
  const connections = random.pick([1, 2, 4, 8, 80]);
  let sent = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = await Control.connect(running).catch(() => undefined);
      if (client === undefined) return;
      const lines = Array.from({ length: random.below(30) }, () => Buffer.concat([garbage(random), Buffer.from('\n')]));
      sent += lines.length;
      const bytes = Buffer.concat(lines);
      const cut = random.below(bytes.length + 1);
      const ending = random.below(3);
      client.write(bytes.subarray(0, cut));
      if (ending === 0) return client[Symbol.dispose]();
      if (ending === 1) client.write(bytes.subarray(cut));
      await client.end();
      client[Symbol.dispose]();
    }),
  );
  return sent;
}

function makeSource(running: Running): void {
  const path = join(running.rootPath(BRIDGE_SOURCE));
  mkdirSync(path, { mode: 0o700 });
  if (process.getuid?.() === 0) chownSync(path, OPERATOR_ID, OPERATOR_ID);
}

function meansStatus(line: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(line.toString());
    return fieldOf(value, 'v') === 1 && fieldOf(value, 'op') === 'status';
  } catch {
    return false;
  }
}

function verdictOf(answer: unknown): string {
  if (fieldOf(answer, 'ok') === true) return 'ok';
  const code = fieldOf(answer, 'code');
  return isErrorCode(code) ? code : `no answer: ${JSON.stringify(answer)}`;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
