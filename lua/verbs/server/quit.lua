ff.verb({
  name = "quit", kind = "free",
  doc = "Takes a server out of the live ones at once, so that others take its partitions over. Root tag only.",
  args = { { "server", "bytes", "server instance" } },
  refusals = {},
}, function(at, a)
  redis.call("ZCARD", at.tag .. ":servers")
  ff.remove(at, ":servers", a.server)
  ff.commit(at)
  return { "ok" }
end)
