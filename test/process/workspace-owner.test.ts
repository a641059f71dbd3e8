// The operator becomes whoever owns the workspace: what the command writes there is theirs, and its own home still is its own.
// It becomes neither root nor another account, and changes nothing that is not the container's.

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ENCLAVE, HOME } from '../../lib/paths.ts';
import { createPod, SECRETS, startPod, startUnlocked, traces, WAIT, WITH_SECRET } from '../support/pod.ts';
import { ENVIRONMENT, INITS, type Running, type Sandbox } from '../support/sandbox.ts';
import { savedContents } from '../support/vault.ts';

const OWNER = 1234;
const FOR_PEOPLE = { TAZPOD_LOG_FORMAT: 'pretty' };
/** The sandbox shows the machine's /etc, read-only; an image's is the container's own. Kept in its layer, as an image's. */
const OWN_ETC = `
  if [ ! -e /etc.own ]; then cp -a /etc /etc.own; umount -R /etc; cp -a /etc.own/. /etc; else umount -R /etc; fi
`;
/** The sandbox makes the home uid 1000's at every start; a container that is started again finds what it has left. */
const AGAIN = `chown ${OWNER}:${OWNER} ${HOME};`;
/** As a bind mount of somebody's project shows it. */
const workspaceOf = (uid: number, gid = uid): string => `chown -hR ${uid}:${gid} /workspace;`;

/** The owner, and below a directory of the container's layer every name with its own. */
async function owners(sandbox: Sandbox, path: string): Promise<Record<string, string>> {
  const { stdout } = await sandbox.bundle.inspect([
    'find',
    join(sandbox.bundle.layer, path),
    '-printf',
    '%P\\t%U:%G\\n',
  ]);
  return Object.fromEntries(stdout.split('\n').map((line) => line.split('\t')));
}

async function ownerOf(path: string): Promise<string> {
  const { uid, gid } = await stat(path);
  return `${uid}:${gid}`;
}

/** Runs to the end. */
async function run(sandbox: Sandbox, script: string, options: Parameters<typeof startPod>[2] = {}) {
  const running = await startPod(sandbox, ['sh', '-c', script], {
    ...options,
    variables: { ...FOR_PEOPLE, ...options.variables },
  });
  const { code } = await running.exited;
  return { code, stdout: await running.stdout.whole(), stderr: await running.stderr.whole() };
}

async function operatorIn(running: Running): Promise<string> {
  return (await running.exec(['sh', '-c', 'id -u tazpod; id -g tazpod; id -gn tazpod'])).stdout;
}

describe('a workspace of somebody else’s', () => {
  test('makes the operator that uid and gid: account, home, command, and what it writes', async () => {
    await using pod = await createPod(null);
    const script =
      'id -u; id -g; id -un; id -gn; echo $HOME $USER; touch /workspace/made ~/made; ls -ld ~ | cut -d" " -f3,4';
    const first = await run(pod, script, { prepare: OWN_ETC + workspaceOf(OWNER) });
    expect(first).toMatchObject({
      code: 0,
      stdout: `${OWNER}\n${OWNER}\ntazpod\ntazpod\n${HOME} tazpod\ntazpod tazpod\n`,
    });
    expect(first.stderr).toContain(`the operator "tazpod" is uid ${OWNER} now, not 1000: /workspace belongs to that`);
    for (const path of ['made', '.tazpod', '.tazpod/.claude'])
      expect(await ownerOf(join(pod.bundle.workspace, path))).toBe(`${OWNER}:${OWNER}`);
    expect(Object.values(await owners(pod, HOME)).filter((owner) => owner === '1000:1000')).toEqual([]);
  });

  test('changes nothing else in the files of accounts: the other lines, modes and owners stay', async () => {
    await using pod = await createPod(null);
    const odd = String.raw`printf 'od\351:x:1000000:1000:r\351sum\351:/:/bin/sh' >>/etc/passwd; chmod 0604 /etc/passwd; chown 0:7 /etc/group;`;
    const before = 'cp -a /etc/passwd /etc/group /var/;';
    await run(pod, 'true', { prepare: `${OWN_ETC}${odd}${before}${workspaceOf(OWNER)}` });
    for (const [name, mode, gid] of [
      ['passwd', 0o604, 0],
      ['group', 0o644, 7],
    ] as const) {
      const file = join(pod.bundle.layer, 'etc', name);
      const was = await readFile(join(pod.bundle.layer, 'var', name), 'latin1');
      const expected = was.replace(
        /^tazpod:x:1000(:1000)?/m,
        `tazpod:x:${OWNER}${name === 'passwd' ? `:${OWNER}` : ''}`,
      );
      expect(await readFile(file, 'latin1')).toBe(expected);
      expect(await stat(file)).toMatchObject({ mode: 0o100000 | mode, uid: 0, gid });
    }
    expect(Object.keys(await owners(pod, '/etc')).filter((name) => name.includes('tazpod'))).toEqual([]);
  });

  test('has its vault unlocked, saved and locked by that uid, and root’s calls of the tool become it', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, { prepare: OWN_ETC + workspaceOf(OWNER) });
    expect((await running.exec(['cat', `${ENCLAVE}/notes.md`], { user: 1000 })).code).toBe(1);
    expect((await running.exec(['cat', `${ENCLAVE}/notes.md`], { user: OWNER })).stdout).not.toBe('');
    await running.exec(['sh', '-c', `echo new >${ENCLAVE}/new`], { user: OWNER });
    expect(await running.exec(['tazpod', 'status'])).toMatchObject({ code: 0 });
    expect(await running.exec(['tazpod', 'lock'])).toMatchObject({ code: 0 });
    expect((await traces(pod, running)).mounts).toEqual([]);
    expect(await savedContents(pod.bundle)).toMatchObject({ new: 'new\n' });
    expect(await ownerOf(join(pod.bundle.workspace, '.tazpod/vault/vault.tar.aes'))).toBe(`${OWNER}:${OWNER}`);
    const doctor = await running.exec(['tazpod', 'doctor', '--json'], {
      environment: { ...ENVIRONMENT, ...WITH_SECRET.variables },
    });
    const { checks } = JSON.parse(doctor.stdout) as { checks: { check: string; state: string }[] };
    const ofOwners = ['operator', 'socket', 'workspace', 'identity', 'vault', 'enclave'];
    expect(checks.filter(({ check, state }) => ofOwners.includes(check) && state !== 'ok')).toEqual([]);
  });

  test('is followed again at every start: nothing is done twice, and another owner is followed, too', async () => {
    await using pod = await createPod(null);
    const look = 'id -u; touch ~/of-$(id -u); stat -c %u ~ ~/of-*';
    const first = await run(pod, look, { prepare: OWN_ETC + workspaceOf(OWNER) });
    expect(first.stdout).toBe('1234\n1234\n1234\n');
    const again = await run(pod, look, { prepare: OWN_ETC + AGAIN });
    expect(again).toEqual({ code: 0, stdout: first.stdout, stderr: '' });
    const next = await run(pod, look, { prepare: OWN_ETC + workspaceOf(4321) });
    expect(next.stdout).toBe('4321\n4321\n4321\n4321\n');
    const back = await run(pod, look, { prepare: OWN_ETC + workspaceOf(1000) });
    expect(back.stdout).toBe('1000\n1000\n1000\n1000\n1000\n');
  });

  test('is followed by the uid alone where its group is one of the container’s', async () => {
    await using pod = await createPod(null);
    const { stdout } = await run(pod, 'id -u; id -g; id -G', { prepare: OWN_ETC + workspaceOf(501, 20) });
    expect(stdout).toBe('501\n1000\n1000\n');
  });

  test('whom TAZPOD_USER=auto follows as well', async () => {
    await using pod = await createPod();
    const variables = { TAZPOD_USER: 'auto' };
    const running = await startUnlocked(pod, { variables, prepare: OWN_ETC + workspaceOf(OWNER) });
    expect(await operatorIn(running)).toBe(`${OWNER}\n${OWNER}\ntazpod`);
    expect(await running.exec(['tazpod', 'status'], { environment: { ...ENVIRONMENT, ...variables } })).toMatchObject({
      code: 0,
    });
  });

  test('is followed by number where the accounts cannot be changed: all works, and it says how to get another shell', async () => {
    await using pod = await createPod();
    const running = await startUnlocked(pod, { variables: FOR_PEOPLE, prepare: workspaceOf(OWNER) });
    expect(await operatorIn(running)).toBe('1000\n1000\ntazpod');
    const asNumber = ['setpriv', `--reuid=${OWNER}`, `--regid=${OWNER}`, '--clear-groups', '--'];
    const secrets = await running.exec([...asNumber, 'cat', `${HOME}/.aws/credentials`, `${ENCLAVE}/notes.md`]);
    expect(secrets).toMatchObject({ stdout: SECRETS, stderr: '' });
    // By root, as a health check calls it.
    expect(await running.exec(['tazpod', 'status'])).toMatchObject({ code: 0 });
    const doctor = await running.exec(['tazpod', 'doctor']);
    expect(doctor.stdout).toMatch(/^warning +operator +.*uid 1234.*\n.*docker exec --user 1234:1234 CONTAINER/m);
    running.signal('SIGTERM');
    expect(await running.exited).toEqual({ code: 143, signal: null });
    const told = await running.stderr.whole();
    expect(told).toMatch(/the operator is uid 1234.*no account.*\n.*docker exec -u 1234:1234/);
  });
});

describe('what the home holds', () => {
  test('is given as far as it was the operator’s: not what is another’s, mounted there, or linked to', async () => {
    await using pod = await createPod(null);
    const prepare = `${OWN_ETC}${workspaceOf(OWNER)}
      cd ${HOME}; mkdir -p own/deep others mounted /var/outside; : >own/deep/file; : >of-root; : >others/file; : >of-group
      ln -s /var/outside link; ln -s /etc/hosts own/hosts; mkfifo own/fifo; : >/var/outside/file
      chown -hR 1000:1000 . /var/outside; chown 0:0 of-root; chown -R 33:33 others; chown 1000:44 of-group
      mount -t tmpfs volume mounted; : >mounted/file; chown 1000:1000 mounted mounted/file; cd /`;
    const { stdout } = await run(pod, `stat -c %u ${HOME}/mounted ${HOME}/mounted/file`, { prepare });
    expect(stdout).toBe('1000\n1000\n');
    expect(await owners(pod, HOME)).toMatchObject({
      '': '1234:1234',
      'own/deep/file': '1234:1234',
      'own/hosts': '1234:1234',
      'own/fifo': '1234:1234',
      link: '1234:1234',
      'of-root': '0:0',
      others: '33:33',
      'others/file': '33:33',
      'of-group': '1234:44',
    });
    expect(await owners(pod, '/var/outside')).toEqual({ '': '1000:1000', file: '1000:1000' });
  });

  test('is left alone where it is a directory of the machine’s, and the operator stays who it is', async () => {
    await using pod = await createPod(null);
    const prepare = `${OWN_ETC}${workspaceOf(OWNER)}
      mkdir -p /var/someone; : >/var/someone/file; chown -R 1000:1000 /var/someone; mount --bind /var/someone ${HOME};`;
    const { code, stdout, stderr } = await run(pod, `id -u; stat -c %u ~ ~/file`, { prepare });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1000\n1000\n1000\n' });
    expect(stderr).toMatch(/\/workspace belongs to uid 1234.*\/home\/tazpod is a directory of the machine’s/);
  });

  test('is given in a volume of the engine’s, which knows the uid of an earlier container', async () => {
    await using pod = await createPod(null);
    const volume = `mkdir -p /var/lib/docker/volumes/home/_data;
      [ -e /var/lib/docker/volumes/home/_data/kept ] || { echo kept >/var/lib/docker/volumes/home/_data/kept
      chown -R 1000:1000 /var/lib/docker/volumes/home/_data; }
      mount --bind /var/lib/docker/volumes/home/_data ${HOME};`;
    const look = 'id -u; stat -c %u:%g ~ ~/kept';
    const first = await run(pod, look, { prepare: OWN_ETC + volume + workspaceOf(OWNER) });
    expect(first.stdout).toBe('1234\n1234:1234\n1234:1234\n');
    // A new container of the same image: its account has the image's numbers.
    const fresh = `rm -rf /etc/passwd /etc/group; cp -a /etc.own/passwd /etc.own/group /etc/;`;
    const second = await run(pod, look, { prepare: OWN_ETC + fresh + volume + workspaceOf(1000) });
    expect(second.stdout).toBe('1000\n1000:1000\n1000:1000\n');
  });

  test('does not hold up the command however much it is; what is left is given while that runs, or by the next start', async () => {
    await using pod = await createPod(null);
    const many = 12_000;
    const prepare = `${OWN_ETC}${workspaceOf(OWNER)}
      mkdir ${HOME}/many; cd ${HOME}/many; seq ${many} | xargs touch; chown -hR 1000:1000 ${HOME}; cd /`;
    const left = `find ~ -uid 1000 | wc -l`;
    // Ends at once: whatever is not given by then is left to the next start.
    const first = await run(pod, left, { prepare });
    expect(first.code).toBe(0);
    const settled = await run(pod, `until [ "$(${left})" = 0 ]; do sleep 0.1; done`, { prepare: OWN_ETC + AGAIN });
    expect(settled).toMatchObject({ code: 0, stderr: '' });
    expect(Object.values(await owners(pod, HOME)).filter((owner) => owner === '1000:1000')).toEqual([]);
  }, 120_000);
});

interface Refused {
  readonly name: string;
  readonly prepare: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly says: readonly string[];
}

const CHOWN = 'on the host: sudo chown -R 1000:1000 DIR';

const REFUSED: readonly Refused[] = [
  {
    name: 'root’s, as docker makes a missing directory',
    prepare: workspaceOf(0),
    says: ['/workspace belongs to uid 0', 'docker makes a missing directory so', CHOWN],
  },
  {
    name: 'another account’s',
    prepare: `echo 'developer:x:1500:1500::/home/developer:/bin/sh' >>/etc/passwd; ${workspaceOf(1500)}`,
    says: ['/workspace belongs to uid 1500', '"developer"', CHOWN, 'TAZPOD_USER=developer'],
  },
  {
    name: 'a service’s',
    prepare: workspaceOf(33),
    says: ['/workspace belongs to uid 33', '"www-data"', CHOWN],
  },
  {
    name: 'nobody’s',
    prepare: `sed -i /65534/d /etc/passwd; ${workspaceOf(65_534)}`,
    says: ['/workspace belongs to uid 65534', 'nobody', CHOWN],
  },
  {
    name: 'not that of an operator that was named',
    prepare: workspaceOf(OWNER),
    variables: { TAZPOD_USER: 'tazpod' },
    says: ['/workspace belongs to uid 1234', CHOWN, 'leave TAZPOD_USER out'],
  },
  {
    name: 'somebody’s, and the operator’s uid has two accounts',
    prepare: `echo 'twin:x:1000:1000::/:/bin/sh' >>/etc/passwd; ${workspaceOf(OWNER)}`,
    says: ['/workspace belongs to uid 1234', 'another account', CHOWN],
  },
  {
    name: 'part of the image, and root’s',
    prepare: 'umount /workspace; chown 0:0 /workspace;',
    says: ['/workspace belongs to uid 0', 'Dockerfile: RUN chown -R 1000:1000 /workspace'],
  },
];

describe('the operator stays who it is, and a warning has the line that mends it', () => {
  test.each(REFUSED)('where the workspace is $name', async ({ prepare, variables = {}, says }) => {
    await using pod = await createPod(null);
    const { code, stdout, stderr } = await run(pod, 'id -u; stat -c %u ~', { prepare: OWN_ETC + prepare, variables });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1000\n1000\n' });
    for (const words of says) expect(stderr).toContain(words);
    expect(stderr).toContain('warning: nothing can be saved');
  });

  test('where we are not PID 1, but behind another init', async () => {
    await using pod = await createPod(null);
    const running = await pod.start([INITS.tini, '--', INITS.ours, 'id', '-u'], {
      environment: { ...ENVIRONMENT, ...FOR_PEOPLE },
      prepare: OWN_ETC + workspaceOf(OWNER),
    });
    expect(await running.exited).toEqual({ code: 0, signal: null });
    expect(await running.stdout.whole()).toBe('1000\n');
    expect(await running.stderr.whole()).toMatch(
      /belongs to uid 1234.*only as PID 1.*\n.*chown -R 1000:1000.*without --init/,
    );
  });

  test('on a read-only root file system, whose home cannot be given', async () => {
    await using pod = await createPod();
    const prepare = `${OWN_ETC}${workspaceOf(OWNER)}mkdir -p ${ENCLAVE} ${HOME}/.aws; chmod 0555 ${ENCLAVE};
      chown 1000:1000 ${HOME}/.aws; mount -o remount,bind,ro /;`;
    const running = await startPod(pod, WAIT, {
      ...WITH_SECRET,
      variables: { ...WITH_SECRET.variables, ...FOR_PEOPLE },
      prepare: `${prepare}chmod -R go+rX /workspace;`,
    });
    await running.stdout.waitFor('ready');
    running.signal('SIGTERM');
    await running.exited;
    expect(await running.stderr.whole()).toMatch(
      /belongs to uid 1234.*home \/home\/tazpod cannot be given.*read-only.*\n.*chown -R 1000:1000/,
    );
  });

  test('without a word where it may write all the same', async () => {
    await using pod = await createPod(null);
    const prepare = `${OWN_ETC}${workspaceOf(0)}chmod 0777 /workspace;`;
    expect(await run(pod, 'id -u', { prepare })).toEqual({ code: 0, stdout: '1000\n', stderr: '' });
  });

  test('where it is started as another user (--user): there is nothing to become, and nothing is changed', async () => {
    await using pod = await createPod(null);
    const { code, stdout } = await run(pod, 'id -u', { user: 1000, prepare: OWN_ETC + workspaceOf(OWNER) });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1000\n' });
    expect((await owners(pod, HOME))['']).toBe('1000:1000');
  });
});
