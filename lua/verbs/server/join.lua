ff.verb({
  name = "join", kind = "write",
  doc = "Keeps a server among the live ones for ttl_ms, and lists them: partitions are shared among them. "
    .. "Root tag only.",
  args = { { "server", "bytes", "server instance" }, { "ttl_ms", "int", "membership" } },
  ok = {
    { "now", "int", "the deployment's clock, ms" },
    { "ring_version", "int", "of the sealed keys: who has older ones reads them (key_ring)" },
    { "lanes_version", "int", "of the last change of any lane, 0: never" },
  },
  rows = { { "server", "bytes", "live, the caller among them; in order of name" } },
  refusals = {},
}, function(at, a)
  local key = at.tag .. ":servers"
  local live = redis.call("ZRANGE", key, string.format("(%d", at.now), "+inf", "BYSCORE")
  local ring_version = tonumber(redis.call("HGET", at.tag, "ringv") or 0)
  local names, known = {}, false
  for i = 1, #live do
    names[#names + 1] = live[i]
    known = known or live[i] == a.server
  end
  if not known then names[#names + 1] = a.server end
  ff.add(at, ":servers", a.server, at.now + a.ttl_ms)
  ff.write(at, { "ZREMRANGEBYSCORE", key, "-inf", at.now - a.ttl_ms })
  ff.commit(at)
  table.sort(names)
  local lanes_version = tonumber(redis.call("HGET", at.tag, "lanes_version") or 0)
  return { "ok", at.now, ring_version, lanes_version, unpack(names) }
end)
