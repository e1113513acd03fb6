ff.verb({
  name = "replay", kind = "write",
  doc = "Runs a finished execution again: a new generation with its own retry allowance. The old result is "
    .. "put aside; the last 8 are kept.",
  args = {
    { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" },
    { "generation", "int", "the one to replay, as described; a repeated call is recognised by it" },
  },
  ok = { { "generation", "int", "the new one" } },
  refusals = { "not_found", "not_finished", "other_generation" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  local generation = core.g or 0
  if generation == a.generation + 1 then return { "ok", generation } end
  if generation ~= a.generation then return ff.refused("other_generation") end
  if not ff.terminal[core.s] then return ff.refused("not_finished") end

  local result = ff.key(at, a.id, "r")
  local entry = ff.attempt_entry(at, a.id, core, "replayed")
  entry.state, entry.ended, entry.outcome = core.s, core.z, core.o
  entry.class, entry.content_type = core.x, core.rt
  ff.remember(at, a.id, core, entry)
  ff.close_stream(at, a.id, core)
  if redis.call("EXISTS", result) == 1 then ff.write(at, { "RENAME", result, result .. generation }) end
  if generation >= ff.results_kept then ff.unlink(at, result .. generation - ff.results_kept) end
  ff.unlink(at, ff.key(at, a.id, "x"))
  -- The receipt (l, o) stays, and in the history: a late repeat of the last complete still gets its first answer.
  core.g, core.a, core.f, core.n = generation + 1, 0, 0, 0
  core.z, core.x, core.d, core.u, core.rt = nil, nil, nil, nil, nil
  if core.h then ff.close_steps(at, a.id, core) end
  ff.move(at, a.id, core, "ready", at.now)
  ff.commit(at)
  return { "ok", generation + 1 }
end)
