// How far a long piece of work is, told to whoever may want to show it. What is told is sizes, never names.

/**
 * Called now and then while the work goes on, from the thread that does it: it should take no time.
 * @param done bytes, never fewer than before
 * @param total bytes that there are, where that is known
 */
export type Progress = (done: number, total?: number) => void;
