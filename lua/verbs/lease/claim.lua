-- The rows a claim hands over; complete declares the same.
ff.claim_rows = {
  { "id", "ulid", "the execution" },
  { "queue", "bytes", "namespace/lane" },
  { "kind", "bytes", "selects the handler" },
  { "priority", "int", "0 to 9000" },
  { "attempt", "int", "from 1, within the generation" },
  { "epoch", "int", "fences this lease; larger than every earlier one of the execution" },
  { "created_at", "int", "ms" },
  { "ready_at", "int", "ms, 0: it stood in front of its priority" },
  { "payload", "bytes", "opaque" },
  { "generation", "int", "replays so far", rare = true },
  { "failures", "int", "counted against the retry policy so far", rare = true },
  { "timeout_ms", "int", "of this attempt, from now; 0: none", rare = true },
  { "deadline_at", "int", "ms, 0: none", rare = true },
  { "requirements", "bytes", "as submitted, behind the quota of the lane's cap if it has one; empty: none. If it names "
    .. "limits, an allowance for it was used", rare = true },
  { "policy", "bytes", "retry and crash policy as canonical JSON, empty: defaults", rare = true },
  { "tags", "bytes", "JSON object, empty: none", rare = true },
  { "content_type", "bytes", "empty: application/octet-stream", rare = true },
  { "resumption", "bytes", "empty: no suspension to go on from; else netstrings, see domain/suspension.lua",
    rare = true },
}

ff.verb({
  name = "claim", kind = "write",
  doc = "Does a bounded piece of due work, then hands over up to `want` ready executions of the queues, best "
    .. "first. What it "
    .. "cannot fill, it registers as idle room: something that becomes ready wakes the caller on its channel.",
  args = {
    { "worker", "bytes", "worker instance" },
    { "lease", "ulid", "new for each call; with the epoch it fences every write" },
    { "lease_ms", "int", "how long the leases last" },
    { "want", "int", "at most this many" },
    { "again", "bool", "1: the reply of a call with this lease id was lost; what it was given is returned" },
    { "queues", "names", "in order of preference" },
    { "capabilities", "some", "of the worker, in order: words and key=value" },
    { "allowances", "words", "<count> <requirements>: how many with just these limits it may take, more if listed "
      .. "again; 0: none for some time, so that what waits for it is put aside, some by each claim" },
  },
  ok = {
    { "left", "int", "ready executions left that the caller can take; at least, where routes are used" },
    { "head", "int", "rank of the first of them, or else of what it lacks an allowance for, -1: none" },
    { "check_in_ms", "int", "look again after this time even if not woken; 0: there is more now" },
    { "lacking", "words", "<waiting> <requirements> of what it could take with an allowance: some, by `want`, partly "
      .. "others each time, and of what it brought all that is used up; at least so many wait" },
  },
  rows = ff.claim_rows,
  refusals = {},
}, function(at, a)
  ff.check_lease(a.lease)
  local rows = { "ok", 0, 0, 0, "", 0 }
  rows[2], rows[3], rows[4], rows[5], rows[6] = ff.claim(at, a, rows)
  return rows
end)
