ff.verb({
  name = "progress", kind = "write",
  doc = "Reports how far the holder of a lease has come; the last report is kept, and told to those who "
    .. "tail the stream.",
  args = {
    { "id", "ulid", "the execution" }, { "lease", "ulid", "as claimed" }, { "epoch", "bytes", "as claimed" },
    { "percent", "int", "0 to 100, -1: unknown" }, { "message", "bytes", "for people" },
  },
  refusals = { "stale_lease" },
}, function(at, a)
  local core = ff.load(at, a.id)
  if ff.fence(at, a.id, core, a.lease, a.epoch) ~= "held" then return ff.refused("stale_lease") end
  local key = ff.key(at, a.id, "o")
  redis.call("HLEN", key)
  ff.satellite(at, a.id, core, { "HSET", key, "percent", a.percent, "message", a.message, "at", at.now })
  if core.i then ff.tell(at, ":f:" .. a.id, string.format("progress %d %d ", a.percent, at.now) .. a.message) end
  ff.commit(at)
  return { "ok" }
end)
