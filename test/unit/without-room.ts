// What an extraction tells, out of what the check of an archive tells: that one adds the room that the contents take.

/** An error stays what it is. */
export function withoutRoom(verdict: unknown): unknown {
  if (typeof verdict !== 'object' || verdict === null || verdict instanceof Error || !('room' in verdict))
    return verdict;
  const { room: _room, ...rest } = verdict;
  return rest;
}
