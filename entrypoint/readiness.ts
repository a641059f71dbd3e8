// Looking out for descriptors, by the event loop's own handles (uv_poll_t of uv.h): the sockets, pipes and watches of PID 1, which
// node:net and its like would take milliseconds to be loaded for.

import { SystemCallError } from '../lib/errors.ts';
import { addressOf, callbackFor, eventLoop, libc } from './native.ts';

const UV_POLL = 8; // uv_handle_type
const UV_READABLE = 1;

/** Looks out for a descriptor that becomes readable, without waiting for it. */
export class ReadinessPoll {
  static readonly #open = new Map<bigint, ReadinessPoll>();
  static #callbacks: { readonly ready: bigint; readonly closed: bigint } | undefined;
  readonly #handle = Buffer.alloc(Number(libc.uv_handle_size(UV_POLL)));
  readonly #listener: () => void;

  /** @param listener is called from the event loop, once for each `start` */
  constructor(descriptor: number, listener: () => void) {
    this.#listener = listener;
    ReadinessPoll.#callbacks ??= {
      ready: callbackFor({ arguments: ['uint64', 'int32', 'int32'], return: 'void' }, (address) => {
        const poll = ReadinessPoll.#open.get(address);
        if (poll === undefined) return;
        libc.uv_poll_stop(poll.#handle);
        setImmediate(() => poll.#tell());
      }),
      closed: callbackFor({ arguments: ['uint64'], return: 'void' }, (address) => {
        ReadinessPoll.#open.delete(address);
      }),
    };
    const failed = libc.uv_poll_init(eventLoop(), this.#handle, descriptor);
    if (failed !== 0) throw new SystemCallError('uv_poll_init', -failed);
    // libuv keeps a pointer to the handle until it has called back.
    ReadinessPoll.#open.set(addressOf(this.#handle), this);
  }

  /** Has the listener called when there is something to read, or at once. */
  start(): void {
    if (ReadinessPoll.#callbacks !== undefined)
      libc.uv_poll_start(this.#handle, UV_READABLE, ReadinessPoll.#callbacks.ready);
  }

  /** The listener is called no more; the descriptor may be closed. */
  close(): void {
    libc.uv_poll_stop(this.#handle);
    if (ReadinessPoll.#callbacks !== undefined) libc.uv_close(this.#handle, ReadinessPoll.#callbacks.closed);
  }

  #tell(): void {
    this.#listener();
  }
}
