local refusal_of

ff.verb({
  name = "suspend", kind = "write",
  doc = "Gives a lease up and waits for signals. The attempt goes on when the condition holds, is resumed by an "
    .. "operator, or by the timeout policy; the claim then hands over what came. Signals that came early may satisfy "
    .. "the condition at once. A cancel that was waiting for this attempt ends it instead.",
  args = {
    { "id", "ulid", "the execution" }, { "lease", "ulid", "as claimed" }, { "epoch", "bytes", "as claimed" },
    { "condition", "bytes", "JSON, see domain/condition.lua; empty: no signal resumes it" },
    { "timeout_ms", "int", "from now, 0: none" },
    { "on_timeout", "bytes", "fail, expire, resume (with the mark timeout) or retry (by the policy, class timeout)" },
    { "resume_delay_ms", "int", "before it is ready again" },
    { "kept", "bytes", "for the resumed handler, at most 16384 bytes" },
  },
  items = ff.waitpoint_items,
  ok = {
    { "outcome", "bytes", "suspended (also when it may go on already), or cancelled" },
    { "step", "int", "number of the suspension, 0: cancelled" },
  },
  refusals = { "stale_lease", "bad_waitpoint", "too_many_waitpoints", "bad_condition", "unknown_waitpoint",
               "bad_timeout", "kept_too_large" },
}, function(at, a)
  local core = ff.load(at, a.id)
  local standing, outcome, entry = ff.fence(at, a.id, core, a.lease, a.epoch)
  if standing == "repeated" and outcome == "suspended" then
    return { "ok", outcome, entry and entry.step or core.h }
  end
  if standing == "repeated" and outcome == "cancelled" then return { "ok", outcome, 0 } end
  if standing ~= "held" then return ff.refused("stale_lease") end

  local step = ff.open_step(core)
  local doc = ff.load_step(at, a.id, step) or { w = {}, n = 0 }
  local refusal = refusal_of(at, a, doc)
  if refusal then return ff.refused(refusal) end
  if core.u then
    core.o = "cancelled"
    ff.finish(at, a.id, core, "cancelled")
    ff.commit(at)
    return { "ok", "cancelled", 0 }
  end
  ff.suspend(at, a.id, core, step, doc, a)
  ff.commit(at)
  return { "ok", "suspended", step }
end)

-- Reads the condition, too: a.condition becomes its tree, or nil.
refusal_of = function(at, a, doc)
  local refusal = ff.add_waitpoints(at, doc, a.items)
  if refusal then return refusal end
  local text = a.condition
  a.condition = text ~= "" and ff.read_condition(text) or nil
  if text ~= "" and not a.condition then return "bad_condition" end
  if a.condition then
    for _, leaf in ipairs(ff.condition_leaves(a.condition, {})) do
      if leaf.waitpoint and not ff.find_waitpoint(doc, leaf.waitpoint) then return "unknown_waitpoint" end
    end
  end
  if a.timeout_ms < 0 or a.resume_delay_ms < 0 or not ff.timeout_policies[a.on_timeout] then return "bad_timeout" end
  if not ff.kept_fits(a.kept) then return "kept_too_large" end
  return nil
end
