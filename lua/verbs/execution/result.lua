ff.verb({
  name = "result", kind = "read",
  doc = "The state, and how it ended.",
  args = {
    { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" },
    { "generation", "int", "-1: the current one; an earlier one gives the result that its replay put aside" },
  },
  ok = {
    { "state", "bytes", "completed for an earlier generation" }, { "generation", "int", "" },
    { "content_type", "bytes", "of the current result; empty: application/octet-stream" },
    { "result", "bytes", "opaque" }, { "class", "bytes", "failure class, empty: never failed" },
    { "text", "bytes", "error text or reason of a cancel" },
  },
  refusals = { "not_found", "no_such_generation" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  local generation, key = tonumber(core.g or 0), ff.key(at, a.id, "r")
  if a.generation >= 0 and a.generation ~= generation then
    local earlier = redis.call("GET", key .. string.format("%d", a.generation))
    if not earlier then return ff.refused("no_such_generation") end
    return { "ok", "completed", a.generation, "", earlier, "", "" }
  end
  local text = core.j and redis.call("GET", ff.key(at, a.id, "x")) or ""
  return { "ok", core.s, generation, core.rt or "", redis.call("GET", key) or "", core.x or "", text or "" }
end)
