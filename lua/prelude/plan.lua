-- The plan of writes. Verbs read and check, and only add to the plan; ff.commit performs it in one go, where nothing
-- can refuse any more. So a verb that raises has written nothing. Entries of one index are written by one command.
--
-- Should a write be refused after all (a right taken from the user, a bug), the order decides what is left: see
-- ff.commit.

-- The entries planned for an index (its key without the tag), one list for each: a key is joined once a call.
local function entries(at, kind, index)
  local all = at[kind]
  if not all then
    all = { order = {} }
    at[kind] = all
  end
  local list = {}
  all[index] = list
  all.order[#all.order + 1] = index
  return list
end

-- Adds to (or moves within) an index.
function ff.add(at, index, member, score)
  local all = at.zadd
  local list = all and all[index] or entries(at, "zadd", index)
  local n = #list
  list[n + 1], list[n + 2] = score, member
end

function ff.remove(at, index, member)
  local all = at.zrem
  local list = all and all[index] or entries(at, "zrem", index)
  list[#list + 1] = member
end

-- Removes the first `count` entries: for a caller that read exactly these in this call and plans nothing that adds to
-- the index. One short command in the log, instead of one that names every entry.
function ff.remove_first(at, index, count)
  local list = at.heads
  if not list then
    list = {}
    at.heads = list
  end
  list[#list + 1] = index
  list[#list + 1] = count
end

-- Sets fields of a hash: `fields` is { field, value, … }.
function ff.set_fields(at, key, fields)
  local list = at.hset
  if not list then
    list = {}
    at.hset = list
  end
  local n = #list
  list[n + 1], list[n + 2] = key, fields
end

function ff.clear_fields(at, key, names)
  local list = at.hdel
  if not list then
    list = {}
    at.hdel = list
  end
  local n = #list
  list[n + 1], list[n + 2] = key, names
end

-- Any other command that can't fail on what the verb has checked: { "SET", key, value }. Performed before the cores.
function ff.write(at, command)
  local list = at.writes
  if not list then
    list = {}
    at.writes = list
  end
  list[#list + 1] = command
end

-- A string that replaces whatever is there: all of a call by one command, before the cores.
function ff.store(at, key, value)
  local list = at.strings
  if not list then
    list = {}
    at.strings = list
  end
  local n = #list
  list[n + 1], list[n + 2] = key, value
end

-- Like ff.write, but performed after the cores: what must not be there without them.
function ff.write_last(at, command)
  local list = at.last_writes
  if not list then
    list = {}
    at.last_writes = list
  end
  list[#list + 1] = command
end

function ff.unlink(at, key)
  local list = at.gone
  if not list then
    list = {}
    at.gone = list
  end
  list[#list + 1] = key
end

function ff.event(at, ulid, text)
  local list = at.events
  if not list then
    list = {}
    at.events = list
  end
  list[#list + 1] = ulid
  list[#list + 1] = text
end

-- A message that is only a hint: whoever misses it finds out by its next look.
function ff.tell(at, channel, message)
  local list = at.messages
  if not list then
    list = {}
    at.messages = list
  end
  list[#list + 1] = at.tag .. channel
  list[#list + 1] = message
end

-- A timer was armed at `ms`: claims look from then on, and an engine that meant to sleep longer is told how long is
-- left.
function ff.arm(at, ms)
  if not at.earliest or ms < at.earliest then at.earliest = ms end
end

-- Lua hands at most 8000 values to one call.
local at_once = 4000

local function write_list(command, key, list)
  local count = #list
  if count <= at_once then return redis.call(command, key, unpack(list)) end
  for i = 1, count, at_once do redis.call(command, key, unpack(list, i, math.min(i + at_once - 1, count))) end
end

local function write_index(at, command, all)
  if not all then return end
  for i = 1, #all.order do write_list(command, at.tag .. all.order[i], all[all.order[i]]) end
end

local function remove_heads(at)
  local list = at.heads
  if not list then return end
  for i = 1, #list, 2 do redis.call("ZREMRANGEBYRANK", at.tag .. list[i], 0, list[i + 1] - 1) end
end

local function write_strings(list)
  if not list then return end
  for i = 1, #list, at_once do redis.call("MSET", unpack(list, i, math.min(i + at_once - 1, #list))) end
end

local function write_hashes(command, list)
  if not list then return end
  for i = 1, #list, 2 do redis.call(command, list[i], unpack(list[i + 1])) end
end

local function write_each(list)
  if not list then return end
  for i = 1, #list do redis.call(unpack(list[i])) end
end

local function delete(list)
  if not list then return end
  for i = 1, #list, at_once do redis.call("UNLINK", unpack(list, i, math.min(i + at_once - 1, #list))) end
end

-- A batch adds two values for each of its items; the stream takes as many as one call can carry.
local function write_events(at)
  local list = at.events
  if not list then return end
  for i = 1, #list, at_once do
    redis.call("XADD", at.tag .. ":ev", "MAXLEN", "~", 4096, "*", unpack(list, i, math.min(i + at_once - 1, #list)))
  end
end

local function announce_timer(at)
  local m, ms = at.memory, at.earliest
  if not ms then return end
  if ms < m.next_due then m.next_due = ms end
  if not m.engine_wakes or ms < m.engine_wakes then
    m.engine_wakes = ms
    redis.pcall("SPUBLISH", at.tag .. ":engine", string.format("%d", math.max(0, ms - at.now)))
  end
end

-- Forgets the plan.
function ff.discard(at)
  at.writes, at.last_writes, at.strings, at.lanes, at.zadd, at.hset, at.hdel = nil, nil, nil, nil, nil, nil, nil
  at.gone, at.zrem, at.heads, at.events, at.ready, at.messages, at.earliest = nil, nil, nil, nil, nil, nil, nil
  at.ends, at.opened, at.depths, at.old_lanes = nil, nil, nil, nil
end

-- Performs the plan. The order makes every prefix of it harmless: satellites and new index entries first, then the
-- cores, which are the truth (the state is in the last write), then what is no longer true. So at each point every
-- execution is in the index of its state, and an entry too many is ignored and removed by whoever meets it. Hints
-- never raise.
function ff.commit(at)
  write_each(at.writes)
  write_strings(at.strings)
  ff.write_lanes(at)
  write_index(at, "ZADD", at.zadd)
  write_hashes("HDEL", at.hdel)
  write_hashes("HSET", at.hset)
  write_each(at.last_writes)
  delete(at.gone)
  write_index(at, "ZREM", at.zrem)
  remove_heads(at)
  write_events(at)
  ff.forget_lanes(at)
  if at.save_clock then
    redis.call("HSET", at.tag, "hi", at.now)
    at.memory.checked, at.save_clock = at.clock_ms, false
  end
  ff.wake_workers(at)
  announce_timer(at)
  local messages = at.messages
  if messages then
    for i = 1, #messages, 2 do redis.pcall("SPUBLISH", messages[i], messages[i + 1]) end
  end
  ff.discard(at)
end
