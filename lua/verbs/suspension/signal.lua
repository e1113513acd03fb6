local refusal_of

ff.verb({
  name = "signal", kind = "write",
  doc = "Delivers a signal to a waitpoint: keeps it, counts it, and resumes the execution when its condition holds. "
    .. "The same id at the same waitpoint again answers duplicate, also after the resume, and changes nothing.",
  args = {
    { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" },
    { "waitpoint", "bytes", "<step>.<label>" },
    { "signal", "bytes", "its id: one message has one, however often it is sent" },
    { "name", "bytes", "what conditions ask for" },
    { "source", "bytes", "who sends it, as the caller knows from a credential; for distinct sources" },
    { "content_type", "bytes", "empty: application/octet-stream" }, { "payload", "bytes", "opaque" },
  },
  ok = {
    { "outcome", "bytes", "accepted, resumed (accepted, and the condition holds) or duplicate" },
    { "first", "bytes", "what the first delivery answered: accepted or resumed" },
    { "number", "int", "of the signal within its step, from 1" },
  },
  refusals = { "not_found", "no_such_waitpoint", "already_finished", "waitpoint_closed", "waitpoint_expired",
               "name_not_allowed", "payload_too_large", "too_many_signals" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  local step, label = ff.split_waitpoint(a.waitpoint)
  local open = core.h and ff.open_step(core)
  if not open or not step or step > open then return ff.refused("no_such_waitpoint") end
  local doc = ff.load_step(at, a.id, step)
  if doc and not ff.find_waitpoint(doc, label) or not doc and step == open then
    return ff.refused("no_such_waitpoint")
  end

  local first, number = ff.find_signal(at, a.id, step, doc, label, a.signal)
  -- A call that failed half-way had ended the suspension.
  local half_done = doc and doc.b and step == open and core.s == "suspended"
  if first then
    if half_done then
      ff.resume(at, a.id, core, doc, doc.b)
      ff.commit(at)
    end
    return { "ok", "duplicate", first, number }
  end
  local refusal = refusal_of(at, a, core, step == open and not half_done and doc or nil, label)
  if refusal then return ff.refused(refusal) end

  a.label, a.id, a.execution = label, a.signal, a.id
  local ends = ff.accept_signal(at, a.execution, core, step, doc, a)
  if ends then ff.resume(at, a.execution, core, doc, "signals") end
  ff.commit(at)
  local outcome = ends and "resumed" or "accepted"
  return { "ok", outcome, outcome, doc.n }
end)

-- `doc` is nil for a step that is over.
refusal_of = function(at, a, core, doc, label)
  if ff.terminal[core.s] then return "already_finished" end
  if not doc then return "waitpoint_closed" end
  return ff.waitpoint_refuses(at, ff.find_waitpoint(doc, label), a)
end
