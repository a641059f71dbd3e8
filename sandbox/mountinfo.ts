// proc_pid_mountinfo(5), as far as it is asked for here.

export interface Mount {
  readonly point: string;
  /** `major:minor` of the file system. */
  readonly device: string;
  readonly type: string;
  readonly source: string;
  /** The mount's own options, then its file system's. */
  readonly options: readonly string[];
}

export function parseMountinfo(text: string): Mount[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      // Optional fields stand between the sixth and a lone hyphen.
      const [mount = '', fileSystem = ''] = line.split(' - ');
      const [, , device = '', , point = '', options = ''] = mount.split(' ');
      const [type = '', source = '', superOptions = ''] = fileSystem.split(' ');
      return {
        point: unescape(point),
        device,
        type,
        source,
        options: [...options.split(','), ...superOptions.split(',')],
      };
    });
}

/** Space, tab, newline and backslash are written as three octal digits. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
