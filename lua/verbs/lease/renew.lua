ff.verb({
  name = "renew", kind = "free",
  doc = "Extends leases the caller still holds, all of a worker's in the partition at once.",
  args = { { "lease_ms", "int", "from now" } },
  items = { { "id", "ulid", "the execution" }, { "lease", "ulid", "as claimed" }, { "epoch", "bytes", "as claimed" } },
  rows = {
    { "outcome", "bytes", "held, stale_lease, or cancelling: held, and asked to end within grace_ms" },
    { "grace_ms", "int", "left of a cancel's grace, else 0" },
  },
  refusals = {},
}, function(at, a)
  local reply, texts = { "ok" }, ff.read_cores(at, a.items)
  for i = 1, #a.items do
    local item = a.items[i]
    local core = ff.load(at, item.id, texts[i])
    local outcome, grace_ms = "stale_lease", 0
    if core and core.s == "active" and ff.was_given(core, item.lease, item.epoch) then
      outcome = "held"
      ff.add(at, ":active", item.id, at.now + a.lease_ms)
      ff.arm(at, at.now + a.lease_ms)
      if core.u then
        outcome = "cancelling"
        local ends = redis.call("ZSCORE", at.tag .. ":deadlines", item.id)
        grace_ms = math.max(0, tonumber(ends or 0) - at.now)
      end
    end
    reply[#reply + 1] = outcome
    reply[#reply + 1] = grace_ms
  end
  ff.commit(at)
  return reply
end)
