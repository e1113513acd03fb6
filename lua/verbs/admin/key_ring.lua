ff.verb({
  name = "key_ring", kind = "read",
  doc = "The sealed keys that sign waitpoint tokens, as the servers share them. Root tag only.",
  ok = {
    { "version", "int", "counts changes; 0: there is none yet" },
    { "sealed", "bytes", "encrypted; only holders of the servers' secret can open it" },
    { "now", "int", "the deployment's clock, ms" },
  },
  refusals = {},
}, function(at, _)
  local stored = redis.call("HMGET", at.tag, "ringv", "ring")
  return { "ok", tonumber(stored[1] or 0), stored[2] or "", at.now }
end)
