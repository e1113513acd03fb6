local complete_one

ff.verb({
  name = "complete", kind = "free",
  doc = "Ends executions with their results, then claims up to `want` more in the same call (see claim).",
  args = {
    { "worker", "bytes", "worker instance" },
    { "next_lease", "ulid", "for what is claimed; new for each call" },
    { "lease_ms", "int", "how long the new leases last" },
    { "want", "int", "how many to claim, 0: none" },
    { "queues", "names", "to claim from" },
    { "capabilities", "some", "as in claim" }, { "allowances", "words", "as in claim" },
    { "elsewhere", "bool", "1: it was claimed by another process, which is told that the lease is over" },
  },
  items = {
    { "id", "ulid", "the execution" }, { "lease", "ulid", "as claimed" }, { "epoch", "bytes", "as claimed" },
    { "content_type", "bytes", "empty: application/octet-stream" }, { "result", "bytes", "opaque" },
  },
  ok = {
    { "outcomes", "words", "for each item completed (also when this holder had completed it before) or stale_lease" },
    { "left", "int", "as in claim" }, { "head", "int", "as in claim" }, { "check_in_ms", "int", "as in claim" },
    { "lacking", "words", "as in claim" },
  },
  rows = ff.claim_rows,
  refusals = {},
}, function(at, a)
  if a.want > 0 then ff.check_lease(a.next_lease) end
  local texts = ff.read_cores(at, a.items)
  local outcomes = ff.each_once(a.items, function(item, i) return complete_one(at, a, item, texts[i]) end)
  ff.commit(at)

  local reply = { "ok", table.concat(outcomes, ","), 0, -1, 0, "", 0 }
  if a.want > 0 then
    a.lease = a.next_lease
    -- What is completed is completed: damage that a claim trips over must not hide that from the caller.
    local okay, left, head, check_in_ms, lacking, columns = pcall(ff.claim, at, a, reply)
    if not okay then return { "ok", reply[2], 0, -1, 1000, "", 0 } end
    reply[3], reply[4], reply[5], reply[6], reply[7] = left, head, check_in_ms, lacking, columns
  end
  return reply
end)

complete_one = function(at, a, item, text)
  local core = ff.load(at, item.id, text)
  local standing, outcome = ff.fence(at, item.id, core, item.lease, item.epoch)
  if standing == "repeated" and outcome == "completed" then return "completed" end
  if standing ~= "held" then return "stale_lease" end
  if a.elsewhere then ff.tell_worker(at, item.id, core, "over") end
  if core.m ~= "lean" then
    core.o = "completed"
    if item.content_type ~= "" then core.rt = item.content_type end
    if item.result ~= "" then ff.store(at, ff.key(at, item.id, "r"), item.result) end
  end
  ff.finish(at, item.id, core, "completed")
  return "completed"
end
