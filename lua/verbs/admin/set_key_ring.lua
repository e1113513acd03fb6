ff.verb({
  name = "set_key_ring", kind = "free",
  doc = "Replaces the sealed keys, if nobody else has done so meanwhile. The same call again is answered alike. "
    .. "Runs without memory, because it may take a key's rights away. Root tag only.",
  args = {
    { "expected", "int", "version that the change began from" },
    { "version", "int", "of the change, above `expected`" },
    { "sealed", "bytes", "encrypted by the server" },
  },
  ok = { { "version", "int", "stored now" } },
  refusals = { "other_version" },
}, function(at, a)
  local stored = redis.call("HMGET", at.tag, "ringv", "ring")
  local version = tonumber(stored[1] or 0)
  if version == a.version and stored[2] == a.sealed then return { "ok", version } end
  if version ~= a.expected or a.version <= version then return ff.refused("other_version") end
  ff.set_fields(at, at.tag, { "ringv", a.version, "ring", a.sealed })
  ff.commit(at)
  return { "ok", a.version }
end)
