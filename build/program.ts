// The executable is both programs, by the name it was called by: `tazpod` is the tool, any other name is PID 1.
// Each is loaded only when it is the one asked for.

import { basename } from 'node:path';

void (basename(process.argv0) === 'tazpod' ? import('../cli/main.ts') : import('../entrypoint/main.ts'));
