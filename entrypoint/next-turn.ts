/** Lets the event loop deliver what has arrived. */
export function nextTurn(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(resolve, undefined));
}
