-- What is declared of each waitpoint; suspend takes the same.
ff.waitpoint_items = {
  { "label", "bytes", "unique within the step, 1 to 64 bytes, no control character, no /" },
  { "names", "names", "of signals it takes, at most 32; none: any" },
  { "max_signals", "int", "at most 10000; 0: 1000" },
  { "max_bytes", "int", "of one signal's payload, at most 262144; 0: 65536" },
  { "expires_in_ms", "int", "from now; 0: never by itself" },
  { "event", "bytes", "name of a published event that comes as a signal of this name; empty: none" },
  { "key", "bytes", "its correlation key" },
}

ff.verb({
  name = "open_waitpoints", kind = "write",
  doc = "Opens waitpoints for the suspension that the holder of a lease means to ask for, so that a callback may come "
    .. "early: such signals are kept, and count once it is suspended. One whose label is open already stays as it is, "
    .. "also when an earlier attempt has opened it. A waitpoint is named <step>.<label>.",
  args = { { "id", "ulid", "the execution" }, { "lease", "ulid", "as claimed" }, { "epoch", "bytes", "as claimed" } },
  items = ff.waitpoint_items,
  ok = { { "step", "int", "of the suspension that may come" } },
  refusals = { "stale_lease", "bad_waitpoint", "too_many_waitpoints" },
}, function(at, a)
  local core = ff.load(at, a.id)
  if ff.fence(at, a.id, core, a.lease, a.epoch) ~= "held" then return ff.refused("stale_lease") end
  local step = ff.open_step(core)
  local doc = ff.load_step(at, a.id, step) or { w = {}, n = 0 }
  local refusal = ff.add_waitpoints(at, doc, a.items)
  if refusal then return ff.refused(refusal) end
  ff.store_waitpoints(at, a.id, core, step, doc)
  ff.commit(at)
  return { "ok", step }
end)
