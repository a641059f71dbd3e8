// The TAZPOD_* variables that a container was started with, as its processes show them: PID 1's own where we may read
// them, else ours, which `docker exec` has from the container and the operator's shell from PID 1 (less the passphrase).

export interface Settings {
  /** By name; an empty one counts as not given, as for PID 1. Never the passphrase. */
  readonly values: ReadonlyMap<string, string>;
  /** Whether TAZPOD_PASSPHRASE is among the variables. */
  readonly hasPassphrase: boolean;
}

const PASSPHRASE = 'TAZPOD_PASSPHRASE';

/** @param environ variables as the kernel keeps them, each ended by a zero byte; the passphrase's value stays bytes */
export function settingsOf(environ: Buffer): Settings {
  const values = new Map<string, string>();
  let hasPassphrase = false;
  for (let at = 0; at < environ.length;) {
    const end = environ.indexOf(0, at);
    const variable = environ.subarray(at, end === -1 ? environ.length : end);
    const equals = variable.indexOf('=');
    const name = variable.toString('latin1', 0, Math.max(equals, 0));
    const isGiven = variable.length > equals + 1;
    if (name === PASSPHRASE) hasPassphrase ||= isGiven;
    else if (name.startsWith('TAZPOD_') && isGiven) values.set(name, variable.toString('utf8', equals + 1));
    at += variable.length + 1;
  }
  return { values, hasPassphrase };
}
