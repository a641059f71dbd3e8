// Under which name the engine knows this container, for commands that a person is told to type.

import { hostname } from 'node:os';

import { readMounts } from './mountinfo.ts';

/**
 * The short id where the engine's own mounts give it away: docker's /etc/hostname comes from `…/containers/ID/hostname`,
 * podman's from `…/overlay-containers/ID/userdata/hostname`. Else the host name, which engines make of the id.
 */
export function containerId(): string {
  for (const { root } of readMounts()) {
    const [, id] = /containers\/([0-9a-f]{64})\//.exec(root.toString('latin1')) ?? [];
    if (id !== undefined) return id.slice(0, 12);
  }
  const name = hostname();
  return /^[\w][\w.-]*$/.test(name) && name !== 'localhost' ? name : 'CONTAINER';
}
