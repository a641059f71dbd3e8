// What lies beside the place that archives are extracted to, and must stay exactly as it is: contents, modes, names, times.

import { linkSync, lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PRECIOUS = 'precious';

export class Sentinel {
  /** The directory whose contents are watched. */
  readonly path: string;
  readonly #paths: readonly string[];
  readonly #before: string;

  /** @param directory where `outside` is made */
  constructor(directory: string) {
    this.path = join(directory, 'outside');
    const [file, other, link, deep] = ['file', 'other', 'link', 'deep'].map((name) => join(this.path, name));
    this.#paths = [this.path, file, other, link, deep].filter((path) => path !== undefined);
    mkdirSync(join(this.path, 'deep'), { recursive: true });
    writeFileSync(join(this.path, 'file'), PRECIOUS);
    linkSync(join(this.path, 'file'), join(this.path, 'other'));
    symlinkSync('file', join(this.path, 'link'));
    this.#before = this.#look();
  }

  /** What has changed, if anything. */
  finding(): string | undefined {
    const now = this.#look();
    return now === this.#before ? undefined : `something outside has changed:\n${this.#before}\nwas, is\n${now}`;
  }

  #look(): string {
    // The time of the last change tells of whatever is done to a file or a directory, and cannot be set.
    const stats = this.#paths.map((path) => {
      const { ino, mode, nlink, size, uid, mtimeMs, ctimeMs } = lstatSync(path);
      return [path, ino, mode.toString(8), nlink, size, uid, mtimeMs, ctimeMs].join(' ');
    });
    return [...stats, ...readdirSync(this.path), readFileSync(join(this.path, 'file'), 'latin1')].join('\n');
  }
}
