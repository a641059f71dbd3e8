// The mounts that a process sees, from /proc/PID/mountinfo (proc_pid_mountinfo(5)).

export interface Mount {
  /** Where, as the kernel writes it: space, tab, newline and backslash as `\ooo`. None of our paths has one. */
  readonly point: string;
  readonly fileSystem: string;
  readonly source: string;
  /** Of this mount (`ro`, `nosuid`) and of the file system (`size=65536k`, `noswap`). */
  readonly options: ReadonlySet<string>;
}

/** In the order they were made: of several at one point the last is seen. */
export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const [, , , , point, ofMount = ''] = fields;
    // Optional fields end with a lone hyphen.
    const [fileSystem, source, ofFileSystem = ''] = fields.slice(fields.indexOf('-', 6) + 1);
    if (point === undefined || fileSystem === undefined || source === undefined) return [];
    return [{ point, fileSystem, source, options: new Set([...ofMount.split(','), ...ofFileSystem.split(',')]) }];
  });
}

/** The value of a mount's option such as `size=65536k`. */
export function optionOf({ options }: Mount, name: string): string | undefined {
  for (const option of options) if (option.startsWith(`${name}=`)) return option.slice(name.length + 1);
  return undefined;
}
