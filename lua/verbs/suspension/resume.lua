ff.verb({
  name = "resume", kind = "free",
  doc = "Ends a suspension by hand: the handler goes on with the mark operator, and with the signals that came.",
  args = {
    { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" },
    { "step", "int", "the suspension to end, as told by waitpoints; a repeated call is recognised by it" },
  },
  refusals = { "not_found", "other_step", "not_suspended" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  if a.step < 1 or (core.h or 0) ~= a.step then return ff.refused("other_step") end
  local doc = ff.load_step(at, a.id, a.step)
  if core.s ~= "suspended" then
    if doc and doc.b == "operator" and not ff.terminal[core.s] then return { "ok" } end
    return ff.refused("not_suspended")
  end
  if not doc then ff.corrupt("no step of " .. at.tag .. ":e:" .. a.id) end
  ff.resume(at, a.id, core, doc, "operator")
  ff.commit(at)
  return { "ok" }
end)
