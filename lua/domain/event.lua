-- Named events: messages for whoever waits for a name and a correlation key. Both sides meet on the partition of the
-- hash of (namespace, name, key), in the hash n:<namespace>/<name>/<key>:
--   e <event>                          "<expires> <1 when somebody took it> <record>"
--   w <execution> <waitpoint>          a waiter, until this time (ms): it registers again while it waits
--   p <event> <execution> <waitpoint>  to be delivered, as a signal with the event's id
-- The execution lives on another partition, so a caller outside carries the signal over and settles it here; what was
-- not settled the engine carries again, from the index `deliveries`. Executions whose waitpoints want events stand in
-- the index `awaits` of their own partition until that has been registered, and again before the registration ends.

local events_max, waiters_max = 64, 256
local carry_again_ms, registered_ms = 2000, 86400000

function ff.event_name(namespace, name, key)
  return namespace .. "/" .. name .. "/" .. key
end

local function key_of(at, name)
  return at.tag .. ":n:" .. name
end

local function read_event(known, id, value)
  local expires, taken, record = string.match(value, "^(%d+) ([01]) (.*)$")
  if not expires then ff.corrupt(known.key) end
  known.events[#known.events + 1] = { id = id, expires = tonumber(expires), taken = taken == "1", record = record }
end

-- What is known of a name: events, waiters and pending deliveries; `name` is of ff.event_name.
function ff.load_event(at, name)
  local known = { name = name, key = key_of(at, name), events = {}, waiters = {}, pairs = {}, set = {}, drop = {} }
  local flat = redis.call("HGETALL", known.key)
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    local kind, rest = string.sub(field, 1, 1), string.sub(field, 3)
    if kind == "e" then
      read_event(known, rest, value)
    elseif kind == "w" then
      known.waiters[#known.waiters + 1] = { to = rest, expires = tonumber(value) or ff.corrupt(known.key) }
    else
      local event, to = string.match(rest, "^(.*) (%S+ %S+)$")
      if not event then ff.corrupt(known.key) end
      known.pairs[#known.pairs + 1] = { event = event, to = to }
    end
  end
  return known
end

local function keep(known, list, field_of, holds)
  local kept = {}
  for i = 1, #list do
    if holds(list[i]) then
      kept[#kept + 1] = list[i]
    else
      known.drop[#known.drop + 1] = field_of(list[i])
    end
  end
  return kept
end

local function event_field(event) return "e " .. event.id end
local function waiter_field(waiter) return "w " .. waiter.to end
local function pair_field(pair) return "p " .. pair.event .. " " .. pair.to end

local function put(known, field, value)
  known.set[#known.set + 1] = field
  known.set[#known.set + 1] = value
end

local function put_event(known, event)
  put(known, event_field(event), string.format("%d ", event.expires) .. (event.taken and "1 " or "0 ") .. event.record)
end

local function find(list, field, value)
  for i = 1, #list do
    if list[i][field] == value then return list[i] end
  end
  return nil
end

-- Forgets what has expired. An event that is still to be delivered stays.
function ff.expire_event(at, known)
  known.waiters = keep(known, known.waiters, waiter_field, function(waiter) return waiter.expires > at.now end)
  known.events = keep(known, known.events, event_field, function(event)
    return event.expires > at.now or find(known.pairs, "event", event.id) ~= nil
  end)
end

local function pair_up(known, event, to)
  local pair = { event = event, to = to }
  if find(known.pairs, "event", event) then
    for i = 1, #known.pairs do
      if known.pairs[i].event == event and known.pairs[i].to == to then return end
    end
  end
  known.pairs[#known.pairs + 1] = pair
  put(known, pair_field(pair), "0")
end

-- Adds an event { id, expires, record } for every waiter there is. Returns duplicate, published, or the word of a
-- refusal.
function ff.add_event(known, event)
  if find(known.events, "id", event.id) then return "duplicate" end
  if #known.events >= events_max then return "too_many_events" end
  event.taken = false
  known.events[#known.events + 1] = event
  put_event(known, event)
  for i = 1, #known.waiters do pair_up(known, event.id, known.waiters[i].to) end
  return "published"
end

-- Registers a waiter, "<execution> <waitpoint>", or prolongs its registration. A new one gets the events nobody has
-- taken. Returns the word of a refusal, or nil.
function ff.add_waiter(at, known, to)
  local waiter = find(known.waiters, "to", to)
  if not waiter then
    if #known.waiters >= waiters_max then return "too_many_waiters" end
    waiter = { to = to }
    known.waiters[#known.waiters + 1] = waiter
    for i = 1, #known.events do
      if not known.events[i].taken then pair_up(known, known.events[i].id, to) end
    end
  end
  waiter.expires = at.now + registered_ms
  put(known, waiter_field(waiter), string.format("%d", waiter.expires))
  return nil
end

-- A delivery was made or refused: `taken` says that the waiter has it, `gone` that it takes no more.
function ff.settle_event(known, id, to, taken, gone)
  known.pairs = keep(known, known.pairs, pair_field, function(pair)
    return not (pair.to == to and (gone or pair.event == id))
  end)
  if gone then
    known.waiters = keep(known, known.waiters, waiter_field, function(waiter) return waiter.to ~= to end)
  end
  local event = find(known.events, "id", id)
  if event and taken and not event.taken then
    event.taken = true
    put_event(known, event)
  end
end

-- Plans what has changed, and when the name is looked at again.
function ff.save_event(at, known)
  local first
  local function look(ms)
    if not first or ms < first then first = ms end
  end
  for i = 1, #known.events do look(known.events[i].expires) end
  for i = 1, #known.waiters do look(known.waiters[i].expires) end
  if #known.pairs > 0 then look(at.now + carry_again_ms) end
  if #known.drop > 0 then ff.clear_fields(at, known.key, known.drop) end
  if #known.set > 0 then ff.set_fields(at, known.key, known.set) end
  if not first then return ff.remove(at, ":deliveries", known.name) end
  ff.add(at, ":deliveries", known.name, first)
  ff.arm(at, first)
end

-- The deliveries of one event (nil: of all) that are pending, appended as rows to a reply: name, key, execution,
-- waitpoint, event and its record. At most `limit` rows.
function ff.append_deliveries(reply, known, id, limit)
  local count = 0
  for i = 1, #known.pairs do
    local pair = known.pairs[i]
    local event = find(known.events, "id", pair.event)
    if count == limit then break end
    if event and (not id or pair.event == id) then
      local namespace, name, key = string.match(known.name, "^([^/]*)/([^/]*)/(.*)$")
      local execution, waitpoint = string.match(pair.to, "^(%S+) (%S+)$")
      local fields = ff.unpack_fields(event.record)
      local n = #reply
      reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = "deliver", namespace, name, key
      reply[n + 5], reply[n + 6], reply[n + 7] = execution, waitpoint, event.id
      reply[n + 8], reply[n + 9], reply[n + 10] = fields[1], fields[2], fields[3]
      count = count + 1
    end
  end
  return count
end
