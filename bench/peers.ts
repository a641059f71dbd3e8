// What people seal files with otherwise: tar, and one of Debian's programs behind it. Each seals and opens with the same
// passphrase. `openssl enc` knows no GCM: CBC is what it is used with, and says nothing of a file that was changed.
// age asks a terminal for its passphrase, and nobody else: script(1) is the terminal.

/** Shell words; what `file` and `directory` are is the caller's business. */
export interface Peer {
  readonly name: string;
  /** Shell lines that pack `directory` into `file`. */
  readonly seal: (directory: string, file: string) => string;
  /** Shell lines that unpack `file` into `directory`, which is empty. */
  readonly open: (file: string, directory: string) => string;
}

export const PASSPHRASE = 'bench passphrase';

const OPENSSL = 'openssl enc -aes-256-cbc -pbkdf2 -iter 100000';
const GPG = 'gpg --batch --yes --quiet --pinentry-mode loopback --compress-algo none';
/** Owners are not restored, by ours neither. */
const UNPACK = 'tar xz --no-same-owner -C';

/** @param passphrase the path of a file with it, without a newline */
export function peers(passphrase: string): readonly [Peer, ...Peer[]] {
  return [
    {
      name: 'openssl + tar',
      seal: (directory, file) => `tar cz -C ${directory} . | ${OPENSSL} -pass file:${passphrase} -out ${file}`,
      open: (file, directory) => `${OPENSSL} -d -pass file:${passphrase} -in ${file} | ${UNPACK} ${directory}`,
    },
    {
      name: 'gpg + tar',
      seal: (directory, file) =>
        `tar cz -C ${directory} . | ${GPG} --passphrase-file ${passphrase} --symmetric -o ${file} 2>/dev/null`,
      open: (file, directory) =>
        `${GPG} --passphrase-file ${passphrase} -d ${file} 2>/dev/null | ${UNPACK} ${directory}`,
    },
    {
      name: 'age + tar',
      // Twice, as it asks for it.
      seal: (directory, file) =>
        `(cat ${passphrase}; echo; cat ${passphrase}; echo) | ` +
        `script -qec 'tar cz -C ${directory} . | age -p -o ${file}' /dev/null >/dev/null`,
      open: (file, directory) =>
        `(cat ${passphrase}; echo) | script -qec 'age -d ${file} | ${UNPACK} ${directory}' /dev/null >/dev/null`,
    },
    {
      name: 'tar alone',
      seal: (directory, file) => `tar czf ${file} -C ${directory} .`,
      open: (file, directory) => `tar xzf ${file} --no-same-owner -C ${directory}`,
    },
  ];
}
