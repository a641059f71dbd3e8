// The Node that becomes our executable: a copy of the one that runs here, without symbols, and with seven things of it changed.
// They are changed in the file, since they act before any line or flag of ours could.

import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { bindToFlags } from './compile.ts';

/**
 * Variables that would reach into PID 1 before its first line, whatever its flags: it would take a descriptor of the
 * container's for a channel to its parent, print, write a cache as root, or not start at all. In our copy of Node their
 * names are overwritten by ones of the same length, in its code as in its JavaScript: to it they are nothing special.
 */
const UNHEEDED = [
  'NODE_CHANNEL_FD',
  'NODE_UNIQUE_ID',
  'NODE_DEBUG',
  'NODE_COMPILE_CACHE',
  'NODE_PENDING_DEPRECATION',
  'NODE_REPL_EXTERNAL_MODULE',
];

/**
 * Abseil's search for deadlocks, on in Node's builds: each lock is looked up in a table of a megabyte, which every process fills at
 * its start and keeps. Abseil has a function that turns it off (SetMutexDeadlockDetectionMode), but the first lock comes before us.
 */
const LOCK_CHECKS = 'synch_deadlock_detectionE';
const [LOCK_CHECKS_OFF, LOCK_CHECKS_ABORT] = [0, 2]; // absl::OnDeadlockCycle

/**
 * What Node calls at each start and ours has no use for: it returns at once.
 * - As soon as there is an engine, profiles shall name the line of every call, and V8 walks its whole heap for the code that does not
 *   know it yet. We take no profiles, and for a stack trace V8 finds the lines when there is one.
 * - ICU is asked which time zones and locales it has, for process.versions: it reads them for that.
 */
const UNUSED = [
  'CpuProfiler38UseDetailedSourcePositionsForProfilingE',
  '_ZN4node8Metadata8Versions22InitializeIntlVersionsEv',
];
const RETURN = machineCode('c3', 'c0035fd6');

/**
 * Whether node:ffi makes machine code for calls, for what V8's optimising compiler compiles, and JavaScript around each function, that
 * hands arguments over in a buffer. PID 1 calls its functions a few times each and optimises nothing: to it they are only what takes
 * time at the first call of each, and a page of memory. Where both are refused Node hands C its arguments itself, as it does where
 * memory may not become code: a function is looked up in 8 µs where it took 40, first called in 5 where it took 80, and called
 * again in 0.4 where it took 1 to 2.5. Ours say no at once.
 */
const FAST_CALLS = ['_ZN4node3ffi20IsJitMemorySupportedEv', '_ZN4node3ffi21IsSBEligibleSignatureE'];
const RETURN_FALSE = machineCode('31c0c3', '00008052c0035fd6');

/**
 * V8 takes memory for its heap in quarters of a megabyte, and uses most of each at once, a page of the kernel's after the other: each is a
 * fault, a thousand of them in a start, which take a third of it in some virtual machines. Where V8 tells the kernel that a child by
 * fork(2) shall not have that memory (MADV_DONTFORK of madvise(2)), which no child of ours is, our copy has it filled in one go
 * (MADV_POPULATE_WRITE, since Linux 5.14; an older one refuses, and nothing is lost). Not all that V8 has asked for, for it gives
 * back the half that was for its alignment. On arm64 V8 does as it did: nobody has measured what that takes there.
 */
const HEAP_MEMORY = {
  function: '_ZN2v84base2OS8AllocateE',
  // mov rdi, rax; mov rsi, r13 (all); mov edx, 10
  theirs: Buffer.from('4889c74c89eeba0a000000', 'hex'),
  // mov rdi, rax; mov rsi, [rbp - 0x30] (what will be kept); push 23; pop rdx; nop
  ours: Buffer.from('4889c7488b75d06a175a90', 'hex'),
};
const FUNCTION_BYTES = 512;

/**
 * With this flag V8 keeps the hashes of strings that are in Node's snapshot. Without it each start makes new ones, which nobody can
 * foresee, and looks for three prime numbers for that: a sixth of the time until our first line. They are for those whose keys are
 * chosen by others, such as a web site's visitors, who could choose ones that collide. Ours are chosen by the operator, in requests
 * of a few kilobytes (lib/protocol.ts), and by whoever sealed the vault: somebody else's, opened with a passphrase of theirs, can
 * keep the tool busy until it is interrupted, and no more.
 */
const NO_REHASH = '--no-rehash-snapshot';

/**
 * V8 compiles a function for speed in its four hundredth run, by another thread, on the core that derives keys, compresses or writes
 * files: for some hundred files that does not pay. And once more, with its best compiler, which takes five megabytes, and no time from
 * ten thousand.
 */
const COMPILE_LESS = ['--invocation-count-for-maglev=1500', '--no-turbofan'];

/** In MB. V8 begins with less than the tool's code and a tree of ten thousand files take, and would collect all of it once on the way. */
const ROOM_FOR_A_TREE = '--initial-old-space-size=32';

/**
 * In MB. V8 would let its young generation grow with what survives in it, and of an archive's tree all of it does: that is then copied to
 * where nothing has been touched yet, and each page of that is a fault.
 */
const YOUNG_STAYS_SMALL = '--max-semi-space-size=1';

/**
 * The flags of V8's that tell one compiled code from another. It would not take the code that is compiled into Node, for that was
 * compiled without them, though they make no difference to it: in our copy it is bound to them. Set while the program runs they would
 * have all that Node loads afterwards, a second thread among it, compiled from its text.
 */
export const BOUND_FLAGS = [NO_REHASH, ...COMPILE_LESS, ROOM_FOR_A_TREE, YOUNG_STAYS_SMALL];

/** What is changed: an executable that was made with other changes is out of date. */
export const CHANGES = [
  ...UNHEEDED,
  LOCK_CHECKS,
  ...UNUSED,
  ...FAST_CALLS,
  HEAP_MEMORY.ours.toString('hex'),
  ...BOUND_FLAGS,
];

/**
 * Makes the copy at `path`.
 * @returns false where the machine has no `strip`
 * @throws Error if strip fails, or what is to be changed is not there
 */
export async function copyRuntime(path: string): Promise<boolean> {
  await copyFile(process.execPath, path);
  const strip = await execa('strip', [path], { reject: false });
  if (strip.failed && strip.code !== 'ENOENT') throw new Error(`cannot strip ${path}: ${strip.stderr}`);
  const program = await readFile(path);
  overwriteNames(program);
  const original = await readFile(process.execPath);
  turnLockChecksOff(program, symbolAddress(original, LOCK_CHECKS));
  const codeOf = (name: string): Buffer => program.subarray(fileOffset(program, symbolAddress(original, name)));
  const replace = (name: string, code: Buffer): number => code.copy(codeOf(name));
  for (const name of UNUSED) replace(name, RETURN);
  for (const name of FAST_CALLS) replace(name, RETURN_FALSE);
  if (process.arch === 'x64') fillHeapMemory(codeOf(HEAP_MEMORY.function).subarray(0, FUNCTION_BYTES));
  if (bindToFlags(program, BOUND_FLAGS) === 0) throw new Error('cannot find the code that is compiled into this Node');
  await writeFile(path, program);
  return !strip.failed;
}

/** What this machine's processor executes, of what is given in hexadecimal for each. */
function machineCode(x64: string, arm64: string): Buffer {
  return Buffer.from(process.arch === 'x64' ? x64 : arm64, 'hex');
}

/** Makes the runtime heed none of UNHEEDED. */
function overwriteNames(program: Buffer): void {
  for (const name of UNHEEDED) {
    const other = name.replace('NODE_', '_____');
    let found = 0;
    for (let at = program.indexOf(name); at !== -1; at = program.indexOf(name, at)) found += program.write(other, at);
    if (found === 0) throw new Error(`cannot find ${name} in this Node: it may heed it under another name`);
  }
}

function turnLockChecksOff(program: Buffer, address: bigint): void {
  const offset = fileOffset(program, address);
  if (program.readUInt32LE(offset) !== LOCK_CHECKS_ABORT)
    throw new Error('cannot turn off the search for deadlocks in this Node: it is not as it was built');
  program.writeUInt32LE(LOCK_CHECKS_OFF, offset);
}

function fillHeapMemory(allocate: Buffer): void {
  const { theirs, ours } = HEAP_MEMORY;
  const at = allocate.indexOf(theirs);
  if (at === -1)
    throw new Error('cannot find where V8 takes memory for its heap in this Node: it is not as it was built');
  ours.copy(allocate, at);
}

const SHT_SYMTAB = 2;
const PT_LOAD = 1;

/**
 * The address of the symbol whose mangled name has `part` in it (elf(5), 64 bits, little-endian: x64 and arm64).
 * @throws Error where there is none
 */
export function symbolAddress(elf: Buffer, part: string): bigint {
  const [table, entrySize, count] = [Number(elf.readBigUInt64LE(40)), elf.readUInt16LE(58), elf.readUInt16LE(60)];
  const section = (index: number): { type: number; contents: Buffer; link: number } => {
    const header = elf.subarray(table + index * entrySize);
    const [offset, size] = [Number(header.readBigUInt64LE(24)), Number(header.readBigUInt64LE(32))];
    return {
      type: header.readUInt32LE(4),
      contents: elf.subarray(offset, offset + size),
      link: header.readUInt32LE(40),
    };
  };
  for (let index = 0; index < count; index++) {
    const { type, contents: symbols, link } = section(index);
    if (type !== SHT_SYMTAB) continue;
    const { contents: names } = section(link);
    const within = names.indexOf(part);
    const name = within === -1 ? undefined : names.lastIndexOf(0, within) + 1;
    for (let at = 0; at < symbols.length; at += 24)
      if (symbols.readUInt32LE(at) === name) return symbols.readBigUInt64LE(at + 8);
  }
  throw new Error(`cannot find ${part} in this Node: another version may have it under another name`);
}

/** Where in the file the bytes of an address are. */
function fileOffset(elf: Buffer, address: bigint): number {
  const [table, entrySize, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  for (let index = 0; index < count; index++) {
    const header = elf.subarray(table + index * entrySize);
    const [offset, start, size] = [8, 16, 32].map((at) => header.readBigUInt64LE(at)) as [bigint, bigint, bigint];
    if (header.readUInt32LE() === PT_LOAD && address >= start && address < start + size)
      return Number(offset + address - start);
  }
  throw new Error(`cannot find the address ${address} in the file of this Node`);
}
