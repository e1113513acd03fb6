local earlier

ff.verb({
  name = "result", kind = "read",
  doc = "The state, and how it ended.",
  args = {
    { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" },
    { "generation", "int", "-1: the current one; an earlier one gives the result that its replay put aside" },
  },
  ok = {
    { "state", "bytes", "of an earlier generation: how that ended" }, { "generation", "int", "" },
    { "content_type", "bytes", "of the result; empty: application/octet-stream" },
    { "result", "bytes", "opaque" }, { "class", "bytes", "failure class, empty: never failed" },
    { "text", "bytes", "error text or reason of a cancel; empty for an earlier generation" },
  },
  refusals = { "not_found", "no_such_generation" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  local generation, key = core.g or 0, ff.key(at, a.id, "r")
  if a.generation >= 0 and a.generation ~= generation then return earlier(at, a, core) end
  local text = core.j and redis.call("GET", ff.key(at, a.id, "x")) or ""
  return { "ok", core.s, generation, core.rt or "", redis.call("GET", key) or "", core.x or "", text or "" }
end)

-- What the replay wrote down of the generation it ended; the history may have forgotten it, the result stays.
earlier = function(at, a, core)
  local result = redis.call("GET", ff.key(at, a.id, "r") .. string.format("%d", a.generation))
  local entries = core.j and redis.call("LRANGE", ff.key(at, a.id, "h"), 0, -1) or {}
  for i = 1, #entries do
    local entry = cjson.decode(entries[i])
    if entry.event == "replayed" and entry.generation == a.generation then
      return { "ok", entry.state, a.generation, entry.content_type or "", result or "", entry.class or "", "" }
    end
  end
  if not result then return ff.refused("no_such_generation") end
  return { "ok", "completed", a.generation, "", result, "", "" }
end
