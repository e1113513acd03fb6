ff.verb({
  name = "fail", kind = "free",
  doc = "Ends an attempt as failed; the retry policy decides, here, whether and when there is another.",
  args = {
    { "id", "ulid", "the execution" }, { "lease", "ulid", "as claimed" }, { "epoch", "bytes", "as claimed" },
    { "class", "bytes", "failure class" }, { "text", "bytes", "for people" },
    { "retry_after_ms", "int", "the handler's own wish, instead of the policy's delay; -1: none" },
    { "elsewhere", "bool", "1: it was claimed by another process, which is told that the lease is over" },
  },
  ok = {
    { "outcome", "bytes", "retried, failed, or cancelled when a cancel was waiting for this attempt" },
    { "retry_at", "int", "ms, when retried; 0: not, or no longer known" },
  },
  refusals = { "stale_lease" },
}, function(at, a)
  local core = ff.load(at, a.id)
  local standing, outcome = ff.fence(at, a.id, core, a.lease, a.epoch)
  if standing == "repeated" and (outcome == "retried" or outcome == "failed" or outcome == "cancelled") then
    local retry_at = core.s == "delayed" and redis.call("ZSCORE", at.tag .. ":delayed", a.id) or 0
    return { "ok", outcome, tonumber(retry_at) }
  end
  if standing ~= "held" then return ff.refused("stale_lease") end
  if a.elsewhere then ff.tell_worker(at, a.id, core, "over") end
  local to, ms = ff.fail_attempt(at, a.id, core, { class = a.class, text = a.text, retry_after_ms = a.retry_after_ms,
                                                   by_holder = true })
  ff.commit(at)
  if ff.terminal[to] then return { "ok", to, 0 } end
  return { "ok", "retried", ms }
end)
