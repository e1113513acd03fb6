-- The plan of writes. Verbs read and check, and only add to the plan; ff.commit performs it in one go, where nothing
-- can refuse any more. So a verb that raises has written nothing. Entries of one index are written by one command.
--
-- Should a write be refused after all (a right taken from the user, a bug), the order decides what is left: see
-- ff.commit.
--
-- There is one plan at a time, and making tables is what a short call pays most for: those of indexes, cores and events
-- are made once. In them only the first `count` (`sizes`) values count, the rest is of earlier calls.

local added = { count = 0, indexes = {}, lists = {}, sizes = {} }
local removed = { count = 0, indexes = {}, lists = {}, sizes = {} }
local cores, texts = { count = 0 }, { count = 0 }
local events = { count = 0 }

-- The place of an index (its key without the tag) in `plan`. A call has to do with few of them.
local function place_of(plan, index)
  local indexes, count = plan.indexes, plan.count
  for i = 1, count do
    if indexes[i] == index then return i end
  end
  count = count + 1
  plan.count, indexes[count], plan.sizes[count] = count, index, 0
  if not plan.lists[count] then plan.lists[count] = {} end
  return count
end

-- Adds to (or moves within) an index.
function ff.add(_, index, member, score)
  local i = place_of(added, index)
  local list, size = added.lists[i], added.sizes[i]
  list[size + 1], list[size + 2] = score, member
  added.sizes[i] = size + 2
end

function ff.remove(_, index, member)
  local i = place_of(removed, index)
  local size = removed.sizes[i] + 1
  removed.lists[i][size], removed.sizes[i] = member, size
end

-- The same for the first `count` members of what was read with scores.
function ff.remove_scored(_, index, scored, count)
  local i = place_of(removed, index)
  local list, size = removed.lists[i], removed.sizes[i]
  for k = 1, count do list[size + k] = scored[2 * k - 1] end
  removed.sizes[i] = size + count
end

-- Adds one or two values to a list of the call, which is made when it is needed.
local function append(at, name, first, second)
  local list = at[name]
  if not list then
    list = {}
    at[name] = list
  end
  local n = #list
  list[n + 1] = first
  if second then list[n + 2] = second end -- A nil would grow the table.
end

-- Removes the first `count` entries: for a caller that read exactly these in this call and plans nothing that adds to
-- the index. One short command in the log, instead of one that names every entry.
function ff.remove_first(at, index, count)
  append(at, "heads", index, count)
end

-- Like ff.remove, but after all else: the entry by which others are found.
function ff.remove_last(at, index, member)
  append(at, "closed", index, member)
end

-- Stores the core as it is when the plan is performed: what a verb changes in the table after this counts too.
function ff.keep(_, ulid, core)
  local n = cores.count
  if cores[n] == core and n > 0 then return end
  cores[n + 1], cores[n + 2], cores.count = ulid, core, n + 2
end

-- The same for a new core that is packed already.
function ff.keep_text(_, ulid, text)
  local n = texts.count
  texts[n + 1], texts[n + 2], texts.count = ulid, text, n + 2
end

-- Sets fields of a hash, when the cores are stored: `fields` is { field, value, … }.
function ff.set_fields(at, key, fields)
  append(at, "hset", key, fields)
end

function ff.clear_fields(at, key, names)
  append(at, "hdel", key, names)
end

-- Any other command that can't fail on what the verb has checked: { "SET", key, value }. Performed before the cores.
function ff.write(at, command)
  append(at, "writes", command)
end

-- A string that replaces whatever is there: all of a call by one command, before the cores.
function ff.store(at, key, value)
  append(at, "strings", key, value)
end

-- Like ff.write, but performed after the cores: what must not be there without them.
function ff.write_last(at, command)
  append(at, "last_writes", command)
end

function ff.unlink(at, key)
  append(at, "gone", key)
end

function ff.event(_, ulid, text)
  local n = events.count
  events[n + 1], events[n + 2], events.count = ulid, text, n + 2
end

-- A message that is only a hint: whoever misses it finds out by its next look.
function ff.tell(at, channel, message)
  append(at, "messages", at.tag .. channel, message)
end

-- A timer was armed at `ms`: claims look from then on, and an engine that meant to sleep longer is told how long is
-- left.
function ff.arm(at, ms)
  if not at.earliest or ms < at.earliest then at.earliest = ms end
end

-- Lua hands at most 8000 values to one call.
local at_once = 4000

local function write_index(at, command, plan, i)
  local key, list, size = at.tag .. plan.indexes[i], plan.lists[i], plan.sizes[i]
  for first = 1, size, at_once do
    redis.call(command, key, unpack(list, first, math.min(first + at_once - 1, size)))
  end
end

local function is_of_all_lines(index)
  return string.byte(index, 2) == 119 -- w: `waiting:<queue>`, and `waitpoints`, which does not mind.
end

-- The index of what waits after the lines: an entry too many there is met only by a claim that meets it in its line.
local function add_entries(at)
  local late = false
  for i = 1, added.count do
    if is_of_all_lines(added.indexes[i]) then late = true else write_index(at, "ZADD", added, i) end
  end
  for i = 1, late and added.count or 0 do
    if is_of_all_lines(added.indexes[i]) then write_index(at, "ZADD", added, i) end
  end
end

local function remove_entries(at)
  for i = 1, removed.count do write_index(at, "ZREM", removed, i) end
end

local function remove_heads(at, list)
  for i = 1, #list, 2 do redis.call("ZREMRANGEBYRANK", at.tag .. list[i], 0, list[i + 1] - 1) end
end

local function remove_closed(at, list)
  local i = 1
  while list[i] do
    local index, members = list[i], {}
    while list[i] == index and #members < at_once do members[#members + 1], i = list[i + 1], i + 2 end
    redis.call("ZREM", at.tag .. index, unpack(members))
  end
end

local function write_strings(list)
  for i = 1, #list, at_once do redis.call("MSET", unpack(list, i, math.min(i + at_once - 1, #list))) end
end

local function write_each(list)
  for i = 1, #list do redis.call(unpack(list[i])) end
end

local function delete(list)
  for i = 1, #list, at_once do redis.call("UNLINK", unpack(list, i, math.min(i + at_once - 1, #list))) end
end

-- A batch adds two values for each of its items; the stream takes as many as one call can carry.
local function write_events(at)
  local count = events.count
  for i = 1, count, at_once do
    redis.call("XADD", at.tag .. ":ev", "MAXLEN", "~", 4096, "*", unpack(events, i, math.min(i + at_once - 1, count)))
  end
  local m = at.memory -- Who listens is told once, and again after a look (read_events).
  if m.listened_until and at.now < m.listened_until and not m.listeners_told then
    m.listeners_told = true
    redis.pcall("SPUBLISH", at.tag .. ":events", "")
  end
end

local function announce_timer(at, ms)
  local m = at.memory
  if ms < m.next_due then m.next_due = ms end
  if not m.engine_wakes or ms < m.engine_wakes then
    m.engine_wakes = ms
    redis.pcall("SPUBLISH", at.tag .. ":engine", string.format("%d", math.max(0, ms - at.now)))
  end
end

function ff.clear_plan()
  ff.clear_offers()
  added.count, removed.count, cores.count, texts.count, events.count = 0, 0, 0, 0, 0
end

-- Forgets the plan. What was not planned is not touched: to Lua, a field set to nil is a field.
function ff.discard(at)
  ff.clear_plan()
  if at.writes then at.writes = nil end
  if at.last_writes then at.last_writes = nil end
  if at.strings then at.strings = nil end
  if at.lanes then at.lanes = nil end
  if at.hdel then at.hdel = nil end
  if at.hset then at.hset = nil end
  if at.required then at.required = nil end
  if at.gone then at.gone = nil end
  if at.heads then at.heads = nil end
  if at.closed then at.closed = nil end
  if at.ready then at.ready = nil end
  if at.messages then at.messages = nil end
  if at.earliest then at.earliest = nil end
  if at.ends then at.ends = nil end
  if at.opened then at.opened = nil end
  if at.depths then at.depths = nil end
  if at.old_lanes then at.old_lanes = nil end
end

local function change_fields(command, list)
  for i = 1, #list, 2 do redis.call(command, list[i], unpack(list[i + 1])) end
end

-- The truth.
local function write_cores(at)
  if at.hdel then change_fields("HDEL", at.hdel) end
  if at.hset then change_fields("HSET", at.hset) end
  local list, base, count = {}, at.tag .. ":e:", cores.count
  if count + texts.count == 0 then return end
  for i = 1, count, 2 do list[i], list[i + 1] = base .. cores[i], cmsgpack.pack(cores[i + 1]) end
  for i = 1, texts.count, 2 do list[count + i], list[count + i + 1] = base .. texts[i], texts[i + 1] end
  write_strings(list)
end

local function save_clock(at)
  redis.call("HSET", at.tag, "hi", at.now)
  at.memory.checked, at.memory.saved, at.save_clock = at.clock_ms, at.now, false
end

local function send(list)
  for i = 1, #list, 2 do redis.pcall("SPUBLISH", list[i], list[i + 1]) end
end

-- Performs the plan. The order makes every prefix of it harmless: satellites and new index entries first, then the
-- cores, which are the truth, then what is no longer true. So at each point every execution is in the index of its
-- state, and an entry too many is ignored and removed by whoever meets it. Hints never raise.
function ff.commit(at)
  if at.writes then write_each(at.writes) end
  if at.strings then write_strings(at.strings) end
  if at.lanes then ff.write_lanes(at) end
  add_entries(at)
  write_cores(at)
  if at.last_writes then write_each(at.last_writes) end
  if at.gone then delete(at.gone) end
  remove_entries(at)
  if at.heads then remove_heads(at, at.heads) end
  if at.closed then remove_closed(at, at.closed) end
  write_events(at)
  if at.old_lanes then ff.forget_lanes(at) end
  if at.save_clock then save_clock(at) end
  if at.ready then ff.wake_workers(at) end
  if at.earliest then announce_timer(at, at.earliest) end
  if at.messages then send(at.messages) end
  ff.discard(at)
end
