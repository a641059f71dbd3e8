// What the checks look at: the machine, or the container, that we are in. Gathered once, so that the checks are functions of it:
// as whoever called us what only root may see of PID 1, and the rest as the operator.

import { accessSync, constants, type Stats } from 'node:fs';

import { reasonOf, type TazpodError } from '../../lib/errors.ts';
import { HOME, WORKSPACE } from '../../lib/paths.ts';
import type { Replies } from '../../lib/protocol.ts';
import { type Account, asRun, findAccount, isNamed, operatorName } from '../accounts.ts';
import type { Files } from './files.ts';
import { readInit, type Init } from './init.ts';
import { parseMounts, type Mount } from './mounts.ts';
import { settingsOf, type Settings } from './settings.ts';

/** The PID namespace that a machine boots with: PROC_PID_INIT_INO of the kernel. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';
const CONTAINER_MARKS = ['/.dockerenv', '/run/.containerenv'];
/** The operator's uid and gid in our image, and where PID 1 makes the account, if they are free. */
const USUAL_ID = 1000;
/** What owners are shown as that mean nothing here (overflowuid of proc_sys_fs(5)). */
const NOBODY = 65_534;

/** Who calls, and from where. */
export interface Caller {
  readonly pid: number;
  /** The effective one, now. */
  readonly uid: number;
  /** Whether standard input is a terminal. */
  readonly onTerminal: boolean;
}

/** What only some may see, read before root is given up. */
export interface Privileged {
  readonly init: Init;
  readonly settings: Settings;
}

/** @param own our own environment, as the kernel keeps it */
export function readPrivileged(files: Files, pid: number): Privileged {
  const init = readInit(files, pid);
  const own = files.bytes('/proc/self/environ') ?? Buffer.alloc(0);
  try {
    const ours = settingsOf(own);
    // PID 1 wipes the passphrase from its own: what a docker exec has is what everybody else can see, too.
    const hasPassphrase = ours.hasPassphrase || init.settings?.hasPassphrase === true;
    return { init, settings: { values: (init.settings ?? ours).values, hasPassphrase } };
  } finally {
    own.fill(0);
  }
}

/** What asking PID 1 gave: its answer, or why there is none. */
export type Answer = Replies['status'] | TazpodError;

export class Machine {
  readonly files: Files;
  readonly caller: Caller;
  readonly init: Init;
  readonly settings: Settings;
  readonly answer: Answer;
  /** Why root could not become the operator, if it could not. */
  readonly confined: TazpodError | undefined;
  readonly now: Date;
  readonly mounts: readonly Mount[];
  /** The operator's account, with the numbers that it runs as; undefined where there is none of that name. */
  readonly account: Account | undefined;
  /** As it stands in /etc/passwd. */
  readonly recorded: Account | undefined;

  constructor(
    files: Files,
    privileged: Privileged,
    facts: { caller: Caller; answer: Answer; confined?: TazpodError | undefined; now?: Date },
  ) {
    this.files = files;
    this.init = privileged.init;
    this.settings = privileged.settings;
    this.caller = facts.caller;
    this.answer = facts.answer;
    this.confined = facts.confined;
    this.now = facts.now ?? new Date();
    this.mounts = parseMounts(files.text('/proc/self/mountinfo') ?? '');
    this.recorded = this.accountOf(this.operatorName);
    this.account = this.recorded && asRun(this.recorded, (path) => files.stats(path));
  }

  /** Whether this is no container: then most of what there is to check is not there. */
  get isHost(): boolean {
    return (
      this.init.entrypoint === undefined &&
      this.files.link('/proc/self/ns/pid') === FIRST_PID_NAMESPACE &&
      CONTAINER_MARKS.every((mark) => this.files.stats(mark) === undefined)
    );
  }

  /** The uid of the entrypoint, or of PID 1 in its place: the saved one, as it has the operator's for moments. */
  get initUid(): number {
    return Number(this.init.status.get('Uid')?.split('\t')[2] ?? 0);
  }

  /** Name or uid of the operator's account: a PID 1 that is not root is its own operator. */
  get operatorName(): string {
    const asItself = this.initUid === 0 ? undefined : String(this.initUid);
    return operatorName(this.settings.values.get('TAZPOD_USER'), asItself);
  }

  /** Any account of this machine, by name or uid. */
  accountOf(nameOrUid: string): Account | undefined {
    return findAccount(this.files.text('/etc/passwd') ?? '', nameOrUid);
  }

  /** The operator, or what it will be when PID 1 has made the account, or has made it the workspace's owner. */
  get operator(): { readonly uid: number; readonly gid: number; readonly home: string } {
    const uid = this.initUid === 0 ? USUAL_ID : this.initUid;
    const operator = this.account ?? { uid, gid: uid, home: HOME };
    const owner = this.init.entrypoint === undefined ? this.nextOwner(operator.uid) : undefined;
    return owner === undefined ? operator : { ...operator, uid: owner.uid, gid: owner.gid };
  }

  /** Whose the workspace is, if PID 1 would make an operator that is still `uid` that. */
  nextOwner(uid: number): Stats | undefined {
    const owner = this.files.targetStats(WORKSPACE);
    if (owner === undefined || owner.uid === uid || owner.uid === 0 || owner.uid === NOBODY) return undefined;
    if (this.initUid !== 0 || isNamed(this.settings.values.get('TAZPOD_USER'))) return undefined;
    return this.accountOf(String(owner.uid)) === undefined ? owner : undefined;
  }

  /** What is mounted at a path, if anything is. */
  mountAt(path: string): Mount | undefined {
    return this.mounts.findLast(({ point }) => point === path);
  }

  /** The mount that a path is in. */
  mountOf(path: string): Mount | undefined {
    const holds = (point: string) => point === '/' || path === point || path.startsWith(`${point}/`);
    const points = this.mounts.map(({ point }) => point).filter(holds);
    return this.mountAt(points.reduce((longest, point) => (point.length > longest.length ? point : longest), '/'));
  }

  /**
   * Why the operator may not read or write something that is there; nothing where it may. The kernel's own word where we
   * are the operator, else what owner and mode say.
   */
  refusal(path: string, wish: 'read' | 'write'): string | undefined {
    const mode = wish === 'read' ? constants.R_OK : constants.W_OK;
    if (this.caller.uid === this.operator.uid) {
      try {
        accessSync(this.files.path(path), mode);
        return undefined;
      } catch (error) {
        return reasonOf(error);
      }
    }
    if (wish === 'write' && this.mountOf(path)?.options.has('ro')) return 'read-only file system';
    const stats = this.files.targetStats(path);
    if (stats === undefined) return 'no such file or directory';
    const bits = stats.uid === this.operator.uid ? mode << 6 : stats.gid === this.operator.gid ? mode << 3 : mode;
    return (stats.mode & bits) === bits ? undefined : 'permission denied';
  }
}
