// The image under test, and what it takes to run it with a vault.

export const IMAGE = 'tazpod:dev';

/** What `docker run` needs for PID 1 to mount the enclave. */
export const MAY_MOUNT = ['--cap-add', 'SYS_ADMIN', '--security-opt', 'apparmor=unconfined'] as const;
