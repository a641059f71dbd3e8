// The canonical paths: constants, not configuration, so that every tool and every person finds them in the same place.

export const WORKSPACE = '/workspace';
export const IDENTITY_DIRECTORY = '/workspace/.tazpod';
export const VAULT_FILE = '/workspace/.tazpod/vault/vault.tar.aes';

/** Where a copy goes that could not be saved, and nowhere else was to be had. */
export const RESCUE_DIRECTORY = '/var/lib/tazpod/rescue';

/**
 * Whose files are still to be given to the operator, as `uid:gid` lines: there only while that is not done, for the next start to
 * go on.
 */
export const FORMER_OWNERS = '/var/lib/tazpod/former-owners';

/** Where the image's hooks are: a directory NAME.d for each of the events that they are run at. */
export const HOOKS_DIRECTORY = '/etc/tazpod/hooks';

/** The operator's home; the enclave and the AWS bridge are names in it. */
export const HOME = '/home/tazpod';
export const ENCLAVE_NAME = 'secrets';
export const AWS_NAME = '.aws';
export const ENCLAVE = '/home/tazpod/secrets';
export const BRIDGE_SOURCE = '/home/tazpod/secrets/.aws';
export const BRIDGE_TARGET = '/home/tazpod/.aws';

/** The passphrase cache: a name in the enclave, never a member of a vault. */
export const PASSPHRASE_CACHE_NAME = '.vault_pass';

export const RUNTIME_DIRECTORY = '/run/tazpod';
export const CONTROL_SOCKET = '/run/tazpod/control.sock';

/** Tool state that outlives the container: directories under IDENTITY_DIRECTORY, links to them in the home. */
export const IDENTITY_NAMES = ['.pi', '.omp', '.gemini', '.claude', '.aws', '.opencode'] as const;
