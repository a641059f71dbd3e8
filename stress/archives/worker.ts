// The process that extracts: as the operator where root started it, since that is who extracts. Several archives at a time,
// each in a place of its own. What it works on stands in a file, so that it can be told when it does not answer any more.

import { mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { gunzipSync } from 'node:zlib';

import { NewDirectory } from '../../cli/new-directory.ts';
import { checkArchive } from '../../lib/check-archive.ts';
import { DEFAULT_LIMITS, extractArchive, type ArchiveLimits, type Extracted } from '../../lib/extract.ts';
import { listArchive } from '../../lib/list.ts';
import { packDirectory } from '../../lib/pack.ts';
import { errnoName, TazpodError } from '../../lib/errors.ts';
import { Random } from '../random.ts';
import { writeArchive } from './entries.ts';
import { bomb, gzipped } from './gzip.ts';
import { mutated } from './mutations.ts';
import { judgeRefusal, judgeTree } from './oracle.ts';
import { Sentinel } from './sentinel.ts';
import { Tape } from './tape.ts';

/** What the worker is told. */
export interface Task {
  readonly seed: number;
  readonly from: number;
  readonly count: number;
  /** A directory in RAM, empty and ours. */
  readonly directory: string;
  /** The file that says what is being worked on: a number of 4 bytes for each place. */
  readonly present: string;
  /** Archives that real tools made, as base64 of tar.gz. */
  readonly samples: readonly string[];
  /** The user that extracts. */
  readonly uid: number | undefined;
}

/** What the worker says: how far it is, and at the end what it saw. */
export type Report =
  { readonly done: number } | { readonly item: number; readonly finding: string } | { readonly tally: Tally };

export interface Tally {
  readonly outcomes: Readonly<Record<string, number>>;
  /** Messages of refusals, names taken out, and how often each was given. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly packedAgain: number;
  readonly longest: number;
  /** KiB, after each tenth of the run. */
  readonly memory: readonly number[];
  readonly peakMemory: number;
}

export const PLACES = 4;
const LIMITS: readonly [ArchiveLimits, ...ArchiveLimits[]] = [
  DEFAULT_LIMITS,
  { contents: 64 * 1024, entries: 64 },
  { contents: 1000, entries: 6 },
];
const REPORT_EVERY = 200;
const KEY = Buffer.alloc(32, 7);

class Place {
  readonly #directory: string;
  readonly #target: string;
  readonly #sentinel: Sentinel;
  readonly #tape = new Tape();

  constructor(directory: string) {
    mkdirSync(directory);
    this.#directory = directory;
    this.#target = join(directory, 'enclave');
    this.#sentinel = new Sentinel(directory);
  }

  make(random: Random, samples: readonly Buffer[], bombs: readonly Buffer[]): Buffer {
    if (random.oneIn(2000)) return bombs[random.below(bombs.length)] ?? Buffer.alloc(0);
    if (random.oneIn(5)) return gzipped(mutated(samples, random), random);
    this.#tape.clear();
    writeArchive(this.#tape, random, this.#sentinel.path);
    return gzipped(this.#tape.copy(), random);
  }

  async extract(tarGz: Buffer, limits: ArchiveLimits): Promise<Extracted | Error> {
    using directory = new NewDirectory(this.#target);
    const outcome = await outcomeOf(extractArchive(tarGz, { directory: directory.path, limits, digestKey: KEY }));
    if (!(outcome instanceof Error)) directory.keep();
    return outcome;
  }

  /** Packs the extracted tree and opens that again: nothing may be left out or come out otherwise. */
  async judgeRoundTrip(first: Extracted): Promise<string[]> {
    const options = { limits: DEFAULT_LIMITS, digestKey: KEY };
    const packed = await packDirectory({ directory: this.#target, exclude: [], ...options });
    const again = await outcomeOf(checkArchive(Buffer.concat(packed.archive), options));
    const findings: string[] = packed.leftOut.map(({ name, reason }) => `a save would leave "${name}" out: ${reason}`);
    if (!isDeepStrictEqual(packed.contents, first.contents)) findings.push('packed, it has another digest');
    if (again instanceof Error) findings.push(`packed, it is refused: ${again.message}`);
    else if (!isDeepStrictEqual(again.contents, first.contents))
      findings.push('packed and opened, it has another digest');
    return findings;
  }

  judge(outcome: Extracted | Error, limits: ArchiveLimits): string[] {
    const findings: (string | undefined)[] = [];
    if (outcome instanceof Error) findings.push(judgeRefusal(outcome));
    else findings.push(...judgeTree(Buffer.from(this.#target), limits));
    const left = readdirSync(this.#directory).filter((name) => name !== 'outside');
    if (left.length > 0) findings.push(`something is left: ${JSON.stringify(left)}`);
    findings.push(this.#sentinel.finding());
    return findings.filter((finding) => finding !== undefined);
  }
}

async function outcomeOf<T>(work: Promise<T>): Promise<T | Error> {
  try {
    return await work;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** What the other two readers of archives say, which must be the same. */
async function judgeAgreement(tarGz: Buffer, limits: ArchiveLimits, outcome: Extracted | Error): Promise<string[]> {
  const findings: string[] = [];
  // A path of Linux's greatest length fits where an unlock extracts (`.`), but not below another directory, as here.
  if (outcome instanceof TazpodError && errnoName(outcome.cause) === 'ENAMETOOLONG') return findings;
  const checked = await outcomeOf(checkArchive(tarGz, { limits, digestKey: KEY }));
  if (verdictOf(checked) !== verdictOf(outcome)) {
    findings.push(`checked: ${verdictOf(checked)}; extracted: ${verdictOf(outcome)}`);
  }
  const listed = await outcomeOf(Array.fromAsync(listArchive(tarGz, limits)));
  if (listed instanceof Error ? verdictOf(listed) !== verdictOf(outcome) : outcome instanceof Error) {
    findings.push(`listed: ${listed instanceof Error ? verdictOf(listed) : 'all'}; extracted: ${verdictOf(outcome)}`);
  }
  return findings;
}

function verdictOf(outcome: Extracted | Error): string {
  if (outcome instanceof Error) return outcome.message;
  const { entries, bytes, contents } = outcome;
  return `${entries} entries, ${bytes} bytes, digest ${contents?.digest}`;
}

class Worker {
  readonly #task: Task;
  readonly #samples: readonly Buffer[];
  readonly #bombs = [bomb(4_000_000, 'zeros'), bomb(4_000_000, 'text'), bomb(70_000_000, 'zeros')];
  readonly #present: number;
  readonly #outcomes: Record<string, number> = {};
  readonly #reasons: Record<string, number> = {};
  readonly #memory: number[] = [];
  #next: number;
  #done = 0;
  #bytes = 0;
  #packedAgain = 0;
  #longest = 0;

  constructor(task: Task) {
    this.#task = task;
    this.#next = task.from;
    this.#samples = task.samples.map((sample) => gunzipSync(Buffer.from(sample, 'base64')));
    this.#present = openSync(task.present, 'r+');
  }

  async run(): Promise<void> {
    const places = Array.from({ length: PLACES }, (_, index) => new Place(join(this.#task.directory, String(index))));
    await Promise.all(places.map((place, index) => this.#work(place, index)));
    say({
      tally: {
        outcomes: this.#outcomes,
        reasons: this.#reasons,
        bytes: this.#bytes,
        packedAgain: this.#packedAgain,
        longest: Math.round(this.#longest),
        memory: this.#memory,
        peakMemory: process.resourceUsage().maxRSS,
      },
    });
  }

  async #work(place: Place, index: number): Promise<void> {
    const { from, count, seed } = this.#task;
    const present = Buffer.alloc(4);
    for (let item = this.#next++; item < from + count; item = this.#next++) {
      present.writeUInt32LE(item);
      writeSync(this.#present, present, 0, 4, 4 * index);
      const began = performance.now();
      for (const finding of await this.#judge(place, new Random(seed, item))) say({ item, finding });
      this.#longest = Math.max(this.#longest, performance.now() - began);
      this.#done += 1;
      if (this.#done % Math.ceil(count / 10) === 0) this.#memory.push(Math.round(process.memoryUsage.rss() / 1024));
      if (this.#done % REPORT_EVERY === 0) say({ done: this.#done });
    }
  }

  async #judge(place: Place, random: Random): Promise<string[]> {
    const tarGz = place.make(random, this.#samples, this.#bombs);
    const limits = random.pick(LIMITS);
    const outcome = await place.extract(tarGz, limits);
    const findings: string[] = [];
    if (!(outcome instanceof Error) && random.oneIn(8)) {
      this.#packedAgain += 1;
      findings.push(...(await place.judgeRoundTrip(outcome)));
    }
    if (random.oneIn(16)) findings.push(...(await judgeAgreement(tarGz, limits, outcome)));
    findings.push(...place.judge(outcome, limits));
    this.#count(outcome);
    this.#bytes += tarGz.length;
    return findings.map((finding) => `${finding}\n  archive: ${tarGz.toString('base64').slice(0, 8000)}`);
  }

  #count(outcome: Extracted | Error): void {
    const code = outcome instanceof TazpodError ? outcome.code : outcome instanceof Error ? 'defect' : 'opened';
    this.#outcomes[code] = (this.#outcomes[code] ?? 0) + 1;
    if (!(outcome instanceof Error)) return;
    const reason = outcome.message.replace(/".*"/s, '…').replaceAll(/[0-9]+/g, 'N');
    this.#reasons[reason] = (this.#reasons[reason] ?? 0) + 1;
  }
}

function say(report: Report): void {
  process.send?.(report);
}

if (process.send) {
  process.once('message', (task: Task) => {
    if (task.uid !== undefined && process.setuid && process.setgid && process.setgroups) {
      process.setgroups([]);
      process.setgid(task.uid);
      process.setuid(task.uid);
    }
    // The archive's permission bits hold, as in `tazpod vault extract`.
    process.umask(0);
    void new Worker(task).run().then(() => process.disconnect?.());
  });
}
