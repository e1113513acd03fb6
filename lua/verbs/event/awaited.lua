ff.verb({
  name = "awaited", kind = "free",
  doc = "Notes that the event waitpoints of an execution have been registered: again in half a day, if it still waits.",
  args = { { "id", "ulid", "the execution" }, { "step", "int", "of the waitpoints" } },
  refusals = {},
}, function(at, a)
  local core = ff.load(at, a.id)
  if core and core.h and not ff.terminal[core.s] and ff.open_step(core) == a.step then
    local doc = ff.load_step(at, a.id, a.step)
    if doc and ff.wants_event(doc) then
      ff.arm_await(at, a.id, ff.register_again_ms)
      ff.commit(at)
    end
  end
  return { "ok" }
end)
