// A worker that is started before PID 1 (launcher/launcher.c): it loads what it can load as whoever it is, and waits for PID 1 to know
// the operator and to hand it the passphrase.

import type { Arguments } from './arguments.ts';
import { newSalt } from '../lib/seal.ts';
import { endAtOnce, receiveDescriptor } from './native.ts';

/**
 * Returns when PID 1 calls it up: then the passphrase can be read from the descriptor that the command line says. Ends the process
 * where PID 1 does not.
 */
export function standBy(given: Arguments): void {
  const [connection, passphrase] = [given.descriptor('control-fd'), given.descriptor('passphrase-fd')];
  if (connection === undefined || passphrase === undefined)
    throw given.usage('cannot stand by without --control-fd and --passphrase-fd');
  // What the key needs, which takes longest to load.
  newSalt();
  if (!receiveDescriptor(connection, passphrase)) endAtOnce(0);
}
