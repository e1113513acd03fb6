-- Leases, and the fence: a write whose lease id or epoch is not the current one changes nothing and answers
-- stale_lease. A core has its last lease as one text, "<id> <epoch> <began, ms> <worker>", with - for the id when it
-- counts no longer: most executions of a claim share it, and a core of fewer fields is cheaper to read and to write.

-- Returns id, epoch (which has more digits than Lua's numbers), when it began and the worker; nil: never claimed.
function ff.last_lease(at, ulid, core)
  if not core.l then return nil end
  local id, epoch, began, worker = string.match(tostring(core.l), "^([^ ]+) (%d+) (%d+) (.*)$")
  if not id then ff.corrupt("lease in core " .. at.tag .. ":e:" .. ulid) end
  return id, epoch, tonumber(began), worker
end

function ff.last_worker(at, ulid, core)
  local _, _, _, worker = ff.last_lease(at, ulid, core)
  return worker
end

-- The worker that holds an active execution, and its epoch.
function ff.holder_of(at, ulid, core)
  local _, epoch, _, worker = ff.last_lease(at, ulid, core)
  if not worker then ff.corrupt("no lease in core " .. at.tag .. ":e:" .. ulid) end
  return worker, epoch
end

local function print_lease(id, epoch, began, worker)
  return id .. " " .. epoch .. " " .. string.format("%d", began) .. " " .. worker
end

local epoch_max = 9007199254740991 -- 2^53 - 1: the last one that has a next one.

local function last_epoch(at, ulid, core)
  local _, epoch = ff.last_lease(at, ulid, core)
  epoch = tonumber(epoch)
  if epoch >= epoch_max then ff.corrupt("epoch in core " .. at.tag .. ":e:" .. ulid) end
  return epoch
end

-- The caller of the claim `c` gets the execution. Its epoch (c.epoch) is the time in microseconds, or one more than the
-- last one.
function ff.grant_lease(at, ulid, core, c)
  local last = core.l and last_epoch(at, ulid, core)
  if last and last >= at.now_us then
    c.epoch = string.format("%d", last + 1)
    core.l = print_lease(c.lease, c.epoch, at.now, c.worker)
    return
  end
  if not c.usual_lease then
    c.usual_epoch = string.format("%d", at.now_us)
    c.usual_lease = print_lease(c.lease, c.usual_epoch, at.now, c.worker)
  end
  c.epoch, core.l = c.usual_epoch, c.usual_lease
end

-- The worker that claimed the execution is told that its lease is over.
function ff.tell_worker(at, ulid, core, why)
  local worker, epoch = ff.holder_of(at, ulid, core)
  ff.tell(at, ":w:" .. worker, why .. " " .. ulid .. " " .. epoch)
end

-- The last lease counts no longer.
function ff.drop_lease(at, ulid, core)
  local _, epoch, began, worker = ff.last_lease(at, ulid, core)
  core.l, core.o = epoch and print_lease("-", epoch, began, worker), nil
end

local asked_id, asked_epoch, found -- Items of one call mostly have the same.

-- Whether the last lease is this one and still counts, also when the attempt is over.
function ff.was_given(core, id, epoch)
  local last = core.l
  if not last then return false end
  if last == found and id == asked_id and epoch == asked_epoch then return true end
  local text, size = tostring(last), #id
  if string.find(text, id, 1, true) ~= 1 then return false end
  if string.sub(text, size + 1, size + 2 + #epoch) ~= " " .. epoch .. " " then return false end
  if string.find(epoch, " ", 1, true) then return false end -- More than the epoch.
  asked_id, asked_epoch, found = id, epoch, last
  return true
end

-- Returns "held"; or "repeated", the outcome that this very holder reported before and, when only the history knows it
-- still, its entry there; or "stale".
function ff.fence(at, ulid, core, lease, epoch)
  if not core then return "stale" end
  if ff.was_given(core, lease, epoch) then
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
