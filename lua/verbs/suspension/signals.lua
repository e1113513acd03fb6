ff.verb({
  name = "signals", kind = "read",
  doc = "The signals of the open step or of the last suspension, in order, a page of about 128 KiB at a time.",
  args = {
    { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" }, { "step", "int", "as handed over" },
    { "from", "int", "number of the first, from 1" }, { "limit", "int", "rows at the most, 1 to 256" },
  },
  ok = { { "next", "int", "number to go on from, 0: that was all" } },
  rows = {
    { "label", "bytes", "of the waitpoint" }, { "signal", "bytes", "its id" }, { "name", "bytes", "" },
    { "source", "bytes", "" }, { "accepted_at", "int", "ms" },
    { "content_type", "bytes", "empty: application/octet-stream" }, { "payload", "bytes", "opaque" },
  },
  refusals = { "not_found", "no_such_step" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  local doc = core.h and ff.load_step(at, a.id, a.step)
  if not doc then return ff.refused("no_such_step") end
  local limit = math.max(1, math.min(a.limit, 256))
  local records, next_number = ff.signals_of(at, a.id, a.step, doc, math.max(1, a.from), limit)
  local reply = { "ok", next_number > doc.n and 0 or next_number }
  for i = 1, #records do
    local fields = ff.unpack_fields(records[i])
    for k = 1, 7 do reply[#reply + 1] = fields[k] end
  end
  return reply
end)
