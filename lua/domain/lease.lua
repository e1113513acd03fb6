-- The fence. A write whose lease id or epoch is not the current one changes nothing and answers stale_lease.

-- Returns "held"; or "repeated", the outcome that this very holder reported before and, when only the history knows it
-- still, its entry there; or "stale".
function ff.fence(at, ulid, core, lease, epoch)
  if not core then return "stale" end
  if core.l == lease and core.e == epoch then
    if core.s == "active" then return "held" end
    if core.o then return "repeated", core.o end
    return "stale"
  end
  if core.j and core.m ~= "lean" then return ff.receipt(at, ulid, lease, epoch) end
  return "stale"
end

-- Looks in the history for what an earlier holder reported: its lost reply may be asked for after the next claim.
function ff.receipt(at, ulid, lease, epoch)
  local entries = redis.call("LRANGE", ff.key(at, ulid, "h"), -8, -1)
  for i = #entries, 1, -1 do
    local entry = cjson.decode(entries[i])
    if entry.lease == lease and entry.epoch == epoch and entry.outcome then return "repeated", entry.outcome, entry end
  end
  return "stale"
end

-- The answers of `one`, given an item and its number, to the items of a batch. What is planned cannot be read back, so
-- a second item of the same execution is not looked at: the same lease gets the same answer, another one is stale.
function ff.each_once(items, one)
  local answers, first = {}, {}
  for i = 1, #items do
    local item = items[i]
    local before = first[item.id]
    if not before then
      first[item.id] = i
      answers[i] = one(item, i)
    elseif items[before].lease == item.lease and items[before].epoch == item.epoch then
      answers[i] = answers[before]
    else
      answers[i] = "stale_lease"
    end
  end
  return answers
end
