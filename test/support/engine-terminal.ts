// An engine's client on a terminal of its own: what a person sees of `docker run -it`, `attach` and `exec -it`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { Terminal } from './terminal.ts';

export class EngineTerminal implements Disposable {
  readonly terminal: Terminal;
  /** The client's exit status. */
  readonly ended: Promise<number | null>;

  private constructor(terminal: Terminal, ended: Promise<number | null>) {
    this.terminal = terminal;
    this.ended = ended;
  }

  /** Calls `docker` with these arguments. */
  static open(args: readonly string[]): Promise<EngineTerminal> {
    return EngineTerminal.run(['docker', ...args]);
  }

  /** Runs a command that calls an engine's client. */
  static async run(command: readonly string[], directory?: string): Promise<EngineTerminal> {
    const terminal = await Terminal.open();
    const { slave } = terminal;
    // setsid(1) makes the terminal the controlling one, as a login does.
    const client = spawn('setsid', ['-c', '-w', ...command], { stdio: [slave, slave, slave], cwd: directory });
    const ended = once(client, 'exit').then(([status]) => status as number | null);
    return new EngineTerminal(terminal, ended);
  }

  /** Types a line, and waits until the screen shows what is expected after it. */
  async line(typed: string, expected: string | RegExp): Promise<RegExpExecArray> {
    this.terminal.type(`${typed}\r`);
    return this.terminal.screen.waitFor(expected);
  }

  [Symbol.dispose](): void {
    this.terminal[Symbol.dispose]();
  }
}
